//! The recordings that ship with the example pipelines, served on loopback as the real systems serve them.

mod fdsn;
mod folder;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// Which pipelines ship with a recording, and how their real system answers. The recording is the folder `recordings/{pipeline}` beside the pipeline file.
const RECORDINGS: &[(&str, System)] = &[
    (
        "earthquakes",
        System::Fdsn {
            file: "all_week_2018-02-07.geojson",
        },
    ),
    ("flights", System::Folder),
];

const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// The kinds of system that are played.
#[derive(Clone, Copy)]
enum System {
    /// An FDSN event service with this GeoJSON as its catalogue.
    Fdsn { file: &'static str },
    /// A web server with files.
    Folder,
}

/// A recorded upstream, serving until it is dropped.
pub struct Upstream {
    address: SocketAddr,
    path: &'static str,
    task: JoinHandle<()>,
}

/// A recording that can't be served.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("no recording ships with `{pipeline}`; there is one for {known}")]
    NoRecording { pipeline: String, known: String },
    #[error("could not read the recording {path}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the recording {path} is not what it should be: {problem}")]
    Damaged { path: PathBuf, problem: String },
    #[error("could not listen on the loopback address")]
    Listen(#[source] io::Error),
}

/// What answers requests.
enum Served {
    Fdsn(fdsn::Catalogue),
    Folder(folder::Folder),
}

/// A reply on its way: status, content type, body.
struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

impl Upstream {
    /// Serves the recording of `pipeline`, which lies beside the pipeline file in `folder`, on a free port of the loopback address.
    pub async fn start(pipeline: &str, folder: &Path) -> Result<Upstream, UpstreamError> {
        let Some((name, system)) = RECORDINGS.iter().find(|(name, _)| *name == pipeline) else {
            let known: Vec<String> = RECORDINGS.iter().map(|(name, _)| format!("`{name}`")).collect();
            return Err(UpstreamError::NoRecording {
                pipeline: pipeline.to_owned(),
                known: known.join(" and "),
            });
        };
        let folder = folder.join("recordings").join(name);
        let (served, path) = match system {
            System::Fdsn { file } => (Served::Fdsn(fdsn::Catalogue::read(&folder.join(file))?), "fdsnws/event/1/"),
            System::Folder => (Served::Folder(folder::Folder::read(&folder)?), ""),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(UpstreamError::Listen)?;
        let address = listener.local_addr().map_err(UpstreamError::Listen)?;
        let task = tokio::spawn(accept(listener, Arc::new(served)));
        Ok(Upstream { address, path, task })
    }

    /// What to put in place of the pipeline's `base_url` (or `root`).
    pub fn base_url(&self) -> String {
        format!("http://{}/{}", self.address, self.path)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, served: Arc<Served>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The connection broke before it was taken, or there are too many: the client tries again.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let served = served.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let served = served.clone();
                async move { Ok::<_, Infallible>(answer(&served, &request)) }
            });
            // What goes wrong on a connection, the client sees.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(served: &Served, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let reply = match served {
        Served::Fdsn(catalogue) => catalogue.answer(request.uri()),
        Served::Folder(folder) => folder.answer(request.uri().path()),
    };
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    let content_type = header::HeaderValue::from_static(reply.content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

impl Reply {
    fn text(status: StatusCode, text: String) -> Reply {
        Reply {
            status,
            content_type: "text/plain",
            body: text.into(),
        }
    }
}

#[cfg(test)]
mod tests;
