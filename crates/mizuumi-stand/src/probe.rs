//! Whether a part answers: one look, without waiting.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::layout::Layout;
use crate::parts::Part;
use crate::process::Record;
use crate::state::State;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether `part`, which runs since `age` by `record`, does its work.
#[must_use]
pub fn is_ready(part: Part, layout: &Layout, state: &State, record: &Record, age: Duration) -> bool {
    match part {
        Part::Etcd => http_ok(state.ports.etcd, "/health"),
        Part::Apiserver => apiserver_ready(state, &state.kubeconfig(layout)),
        // It answers nobody (no port), but it says when its slowest controller has seen all objects. Another
        // version may say it in other words, hence the limit.
        Part::ControllerManager => {
            let words = "all resource monitors have synced";
            log_says(&layout.log(part), record.log_offset, words) || age > Duration::from_secs(10)
        }
        Part::Localaws => http_ok(state.ports.localaws, "/_localaws/health"),
    }
}

/// Whether the apiserver of a kubeconfig says that it is ready. kubectl asks, as it knows about TLS.
#[must_use]
pub fn apiserver_ready(state: &State, kubeconfig: &Path) -> bool {
    Command::new(&state.tools.kubectl)
        .args(["get", "--raw", "/readyz", "--request-timeout=2s", "--kubeconfig"])
        .arg(kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether a GET is answered with 200.
fn http_ok(port: u16, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

fn log_says(log: &Path, offset: u64, words: &str) -> bool {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut text = Vec::new();
        file.take(1024 * 1024).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    read().is_ok_and(|text| text.contains(words))
}
