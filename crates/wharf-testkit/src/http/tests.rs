use std::net::TcpListener;

use super::*;

/// Lets a client read `bytes` as the answer to a request of `method`.
fn read(method: &str, bytes: &'static [u8]) -> io::Result<Response> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(bytes).unwrap();
    drop(server);
    connection.read_response(method)
}

#[test]
fn a_request_is_sent_as_written() {
    let request = put("//a/%2f?q").header("x-Odd", "1").body("m 1\n");
    let expected =
        "PUT //a/%2f?q HTTP/1.1\r\nHost: gateway.test\r\nx-Odd: 1\r\nContent-Length: 4\r\n\r\nm 1\n";
    assert_eq!(String::from_utf8(request.to_bytes()).unwrap(), expected);
    assert_eq!(
        get("/").http_1_0().without_host().to_bytes(),
        b"GET / HTTP/1.0\r\n\r\n"
    );
}

#[test]
fn a_chunked_request_ends_in_an_empty_chunk() {
    let bytes = post("/").without_host().chunked(&["m 1", "\n"]).to_bytes();
    let expected = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nm 1\r\n1\r\n\n\r\n0\r\n\r\n";
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn interim_responses_and_chunks_are_taken_apart() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    let response = read("GET", bytes).unwrap();
    assert_eq!(
        (
            response.status,
            response.interim.as_slice(),
            response.text().as_str()
        ),
        (200, [100].as_slice(), "abc")
    );
}

#[test]
fn a_response_to_head_has_no_body() {
    let response = read("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").unwrap();
    assert_eq!(
        (response.header("content-length"), response.text().as_str()),
        (Some("9"), "")
    );
}

#[test]
fn a_response_that_is_cut_short_is_an_error() {
    let error = read("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(read("GET", b"").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(
        read("GET", b"nonsense\r\n\r\n").unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
}
