//! The cheapest client that is still one: bytes that were made before, one write, and no more reading than it takes to find the end.
//! It shares two cores with the service, so whatever it saves is measured more truly.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A page of a hundred schedules fits in.
const BUFFER: usize = 256 * 1024;
/// Where the status stands in `HTTP/1.1 200 OK`.
const STATUS: std::ops::Range<usize> = 9..12;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER] })
    }

    /// Sends a request and waits for the whole answer, which has to say its length.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        let (mut filled, mut end) = (0, None);
        while end.is_none_or(|(_, end)| filled < end) {
            if filled == self.buffer.len() {
                self.buffer.resize(2 * filled, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if end.is_none() {
                end = extent(&self.buffer[..filled])?;
            }
        }
        let (begin, end) = end.ok_or(ErrorKind::UnexpectedEof)?;
        let status = number(&self.buffer[STATUS]).ok_or_else(|| Error::other("no status"))?;
        Ok(Answer { status: status as u16, body: &self.buffer[begin..end] })
    }
}

/// Where the body begins and ends, once the head is there.
fn extent(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(head) = position(bytes, b"\r\n\r\n") else { return Ok(None) };
    // As hyper writes it.
    let name = b"\r\ncontent-length: ";
    let length = position(&bytes[..head], name).ok_or_else(|| Error::other("an answer without a length"))? + name.len();
    let digits = bytes[length..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = number(&bytes[length..length + digits]).ok_or_else(|| Error::other("not a length"))?;
    Ok(Some((head + 4, head + 4 + length)))
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A GET; without a token where none is needed.
pub fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// A POST of JSON.
pub fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes()
}
