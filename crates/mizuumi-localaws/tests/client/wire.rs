//! A client that sees the endpoint's answers as they are on the wire, for the tests over TCP.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use mizuumi_localaws::{Options, Server};
use serde_json::{Value, json};

/// The account of the calls that name no other.
pub const ACCOUNT: &str = "111122223333";

/// A connection that is used again and again, as a client with keep-alive does.
pub struct Client {
    /// The connection.
    pub stream: TcpStream,
}

/// An answer.
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// Body; a text if it is not JSON.
    pub body: Value,
}

impl Client {
    /// Connects.
    pub fn to(server: &Server) -> Self {
        Self::at(&server.url())
    }

    /// Connects to the endpoint of that URL.
    pub fn at(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { stream }
    }

    /// Nothing when the connection was closed without an answer.
    pub fn send(&mut self, head: &str, body: &str) -> Option<Answer> {
        let request = format!("{head}\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.stream.write_all(request.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        let end = loop {
            let mut chunk = [0; 4096];
            let count = match self.stream.read(&mut chunk) {
                Ok(0) => {
                    assert!(bytes.is_empty(), "closed in the middle of an answer");
                    return None;
                }
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            };
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some(split) = text.find("\r\n\r\n") else { continue };
            let head = text[..split].to_lowercase();
            let length = head.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if bytes.len() >= split + 4 + length {
                break (head, String::from_utf8(bytes[split + 4..].to_vec()).unwrap());
            }
        };
        Some(Answer {
            status: end.0.split(' ').nth(1).unwrap().parse().unwrap(),
            body: serde_json::from_str(&end.1).unwrap_or(Value::String(end.1)),
            head: end.0,
        })
    }

    /// A call to Glue.
    pub fn glue(&mut self, operation: &str, input: &Value) -> Option<Answer> {
        self.glue_as(ACCOUNT, "eu-west-1", operation, input)
    }

    /// A call to Glue by another account or in another region.
    pub fn glue_as(&mut self, key: &str, region: &str, operation: &str, input: &Value) -> Option<Answer> {
        self.glue_from("test/1", key, region, operation, input)
    }

    /// A call to Glue as Mizuumi makes it, by its user agent.
    pub fn ours(&mut self, operation: &str, input: &Value) -> Answer {
        let agent = "aws-sdk-rust/1.4 ua/2.1 api/glue/1.184 app/mizuumi";
        self.glue_from(agent, ACCOUNT, "eu-west-1", operation, input).unwrap()
    }

    fn glue_from(
        &mut self,
        agent: &str,
        key: &str,
        region: &str,
        operation: &str,
        input: &Value,
    ) -> Option<Answer> {
        let head = format!(
            "POST / HTTP/1.1\r\nx-amz-target: AWSGlue.{operation}\r\nuser-agent: {agent}\r\n\
             content-type: application/x-amz-json-1.1\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={key}/20261122/{region}/glue/aws4_request, SignedHeaders=host, Signature=0"
        );
        self.send(&head, &input.to_string())
    }

    /// A call to EMR.
    pub fn emr(&mut self, operation: &str, input: &Value) -> Option<Answer> {
        let head = format!(
            "POST / HTTP/1.1\r\nx-amz-target: ElasticMapReduce.{operation}\r\nuser-agent: test/1\r\n\
             content-type: application/x-amz-json-1.1\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential={ACCOUNT}/20261122/eu-west-1/elasticmapreduce/aws4_request, SignedHeaders=host, Signature=0"
        );
        self.send(&head, &input.to_string())
    }

    /// A call to the admin API, which succeeds.
    pub fn admin(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let head = format!("{method} /_localaws/{path} HTTP/1.1\r\ncontent-type: application/json");
        let answer =
            self.send(&head, &if body.is_null() { String::new() } else { body.to_string() }).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }
}

/// The request that makes a database.
pub fn database(name: &str) -> Value {
    json!({"DatabaseInput": {"Name": name}})
}

/// A server, and a client of it that runs where blocking is allowed.
pub async fn with_server(test: impl FnOnce(&Server) + Send + 'static) {
    let server = Server::start(Options::default()).await.unwrap();
    tokio::task::spawn_blocking(move || test(&server)).await.unwrap();
}
