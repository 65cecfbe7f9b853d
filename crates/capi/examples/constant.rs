//! What the native engine is measured against: a server with the same threading that answers everything alike.
//!
//! It looks for the end of a head and for nothing else, and remembers nothing. Prints its port, and ends with its
//! standard input.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 54\r\n\r\n{\"remaining\":42,\"resets_at\":\"2030-01-01T00:00:00Z\"   }";

fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 16 * 1024];
    let mut tail = [0; 4];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let mut answers = Vec::new();
        for byte in &buffer[..count] {
            tail.rotate_left(1);
            tail[3] = *byte;
            if tail == *b"\r\n\r\n" {
                answers.extend_from_slice(ANSWER);
            }
        }
        if stream.write_all(&answers).is_err() {
            return;
        }
    }
}

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    for stream in listener.incoming().flatten() {
        thread::Builder::new()
            .stack_size(256 * 1024)
            .spawn(move || serve(stream))?;
    }
    Ok(())
}
