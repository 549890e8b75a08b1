//! The moto server as a child process.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, ChildStdin, Command};

use crate::forward::Upstream;

const LAUNCHER: &str = include_str!("moto_server.py");

/// A running moto; stops when dropped.
#[derive(Debug)]
pub(crate) struct Moto {
    _child: Child,
    _input: Option<ChildStdin>,
    /// Where to send requests.
    pub(crate) upstream: Upstream,
}

impl Moto {
    /// Starts moto with that Python and waits until it answers.
    pub(crate) async fn start(python: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut child = Command::new(python)
            .args(["-c", LAUNCHER, "-H", "127.0.0.1", "-p", &port.to_string()])
            // Set in our environment, it would win over the account of each request.
            .env_remove("MOTO_ACCOUNT_ID")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let input = child.stdin.take();
        let upstream = Upstream::new(format!("127.0.0.1:{port}"));
        // It needs 1.5 s on an idle machine; a cold and busy one can take many times that.
        for _ in 0..600 {
            if upstream.ask("GET", "/moto-api/data.json").await.is_ok() {
                return Ok(Self { _child: child, _input: input, upstream });
            }
            if let Some(status) = child.try_wait()? {
                let python = python.display();
                bail!("moto stopped at once ({status}); try: {python} -m moto.server -H 127.0.0.1 -p {port}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("moto did not answer within a minute")
    }
}
