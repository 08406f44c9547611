//! `wharf healthy`, the exit code for probes.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::{fails, succeeds, tool};
use crate::gateways;

#[test]
fn a_gateway_that_is_ready_is_success_without_a_word() {
    for spawn in gateways() {
        assert_eq!(succeeds(&spawn.start(), &["healthy"]), "");
    }
}

#[test]
fn a_gateway_that_is_not_ready_or_not_there_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("--gateway=http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let length = stream.read(&mut head).unwrap();
        let answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 14\r\n\r\nstill loading\n";
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head[..length].to_vec()).unwrap()
    });
    let output = tool(&["healthy", &url]);
    assert_eq!(
        fails(&output, 1),
        "wharf healthy: error: the gateway answered 503: still loading\n"
    );
    assert!(server.join().unwrap().starts_with("GET /-/ready "));

    let gone = fails(&tool(&["healthy", &url]), 1);
    assert!(
        gone.starts_with("wharf healthy: error: cannot reach http://127"),
        "{gone}"
    );
}
