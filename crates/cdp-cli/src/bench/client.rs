//! One kept HTTP connection and the thread that waits for it. Nothing is shared or pooled: the sender must leave the cores
//! to what it measures.

use std::net::SocketAddr;

use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::fault::Fault;

pub struct Connection {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.map_err(|error| no_answer(address, error))?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Fault::unavailable)?;
            tokio::spawn(connection);
            Ok::<_, Fault>(sender)
        })?;
        Ok(Self { runtime, sender, host: address.to_string() })
    }

    pub fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Fault> {
        let host = self.host.parse().map_err(Fault::wrong)?;
        request.headers_mut().insert(header::HOST, host);
        self.runtime.block_on(async {
            let broken =
                |error: hyper::Error| Fault::unavailable(format!("{} broke the connection: {error}", self.host));
            self.sender.ready().await.map_err(broken)?;
            let response = self.sender.send_request(request).await.map_err(broken)?;
            let status = response.status();
            Ok((status, response.into_body().collect().await.map_err(broken)?.to_bytes()))
        })
    }

    pub fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes), Fault> {
        self.send(Request::get(path).body(Full::default()).map_err(Fault::wrong)?)
    }
}

fn no_answer(address: SocketAddr, error: std::io::Error) -> Fault {
    Fault::unavailable(format!("nobody answers at {address}: {error}; start `cdp up`, or leave --url out"))
}
