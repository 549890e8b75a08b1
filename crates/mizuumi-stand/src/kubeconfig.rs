//! The kubeconfig of the stand's administrator.

use crate::layout::Layout;
use crate::state::State;

/// The file's text. The certificate is named by its path, since the apiserver makes it only when it starts.
#[must_use]
pub fn text(layout: &Layout, state: &State) -> String {
    let server = state.ports.apiserver_url();
    let certificate = layout.certificate().display().to_string();
    // JSON is YAML; a program's own quoting is safer than a template's.
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "stand", "cluster": {"server": server, "certificate-authority": certificate}}],
        "users": [{"name": "admin", "user": {"token": state.token}}],
        "contexts": [{"name": "stand", "context": {"cluster": "stand", "user": "admin"}}],
        "current-context": "stand",
    });
    format!("{config:#}\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ports::Ports;
    use crate::state::{Cluster, Tools};

    #[test]
    fn names_server_token_and_certificate() {
        let layout = Layout::new(Path::new("/stand")).unwrap();
        let state = State {
            cluster: Cluster::Own { binaries: "/bin".into(), controller_manager: true },
            tools: Tools { path: vec![], kubectl: "/bin/kubectl".into(), kstatus: None, python: None },
            localaws: None,
            ports: Ports::from_base(20_000),
            token: "secret".to_owned(),
        };
        let config: serde_json::Value = serde_json::from_str(&text(&layout, &state)).unwrap();
        assert_eq!(config["clusters"][0]["cluster"]["server"], "https://127.0.0.1:20002");
        assert_eq!(
            config["clusters"][0]["cluster"]["certificate-authority"],
            "/stand/credentials/certificates/apiserver.crt"
        );
        assert_eq!(config["users"][0]["user"]["token"], "secret");
    }
}
