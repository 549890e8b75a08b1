//! The listener: connections, and the means to close one without an answer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use axum::Router;
use axum::routing::any;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::admin;
use crate::ecs;
use crate::emr::Pace;
use crate::glue::Limits;
use crate::latency::Latency;
use crate::moto::Moto;
use crate::requests::{self, Dropped, Endpoint};
use crate::runner::{self, Steps};

/// How to start an endpoint.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A Python that has moto; without it only Glue, EMR and ECS answer.
    pub moto_python: Option<PathBuf>,
    /// The quota of versions of one Glue table.
    pub versions_per_table: usize,
    /// Calls that the log shows one by one; counts are kept for ever.
    pub calls_kept: usize,
    /// Writes that the audit shows one by one; counts are kept for ever.
    pub audit_kept: usize,
    /// How many times faster than in AWS EMR's clusters and steps live.
    pub emr_speed: f64,
    /// EMR's steps run as local processes; without it they live by the clock.
    pub emr_steps: Option<Steps>,
    /// How many times faster than in AWS the tasks of ECS live.
    pub ecs_speed: f64,
    /// Programs by the names of images: ECS's tasks run them as local processes. Without it they live by the clock, but for images of
    /// which something else is said.
    pub ecs_images: Option<PathBuf>,
    /// Each task that is a process has a folder of its own in here.
    pub ecs_tasks: PathBuf,
    /// How long every call takes at least.
    pub latency: Option<Latency>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            moto_python: None,
            versions_per_table: Limits::default().versions_per_table,
            calls_kept: 1_000_000,
            audit_kept: 200_000,
            emr_speed: 1.0,
            emr_steps: None,
            ecs_speed: 1.0,
            ecs_images: None,
            ecs_tasks: std::env::temp_dir().join("mizuumi-tasks"),
            latency: None,
        }
    }
}

/// A running endpoint; stops, with its moto and the processes of steps and tasks, when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts an endpoint within the current Tokio runtime.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        ensure!(
            options.listen.ip().is_loopback(),
            "the local endpoint guards nothing: listen on loopback only"
        );
        let pace = Pace::of(options.emr_speed);
        if let Some(fault) = pace.fault() {
            bail!("EMR: {fault}");
        }
        if let Some(fault) = ecs::Pace::of(options.ecs_speed).fault() {
            bail!("ECS: {fault}");
        }
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        let address = listener.local_addr()?;
        let moto = match &options.moto_python {
            Some(python) => Some(Moto::start(python).await?),
            None => None,
        };
        let upstream = moto.as_ref().map(|moto| moto.upstream.clone());
        let endpoint = Arc::new(Endpoint::new(&options, upstream));
        let router = Router::new()
            .nest("/_localaws", admin::router())
            .fallback(any(requests::answer))
            .with_state(Arc::clone(&endpoint));
        let url = format!("http://{address}");
        let running_tasks = runner::run_tasks(Arc::clone(&endpoint), options.ecs_tasks, url.clone());
        let running = async move {
            match options.emr_steps {
                Some(steps) => runner::run(endpoint, steps, url).await,
                None => std::future::pending().await,
            }
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = accept(listener, router) => {}
                () = running => {}
                () = running_tasks => {}
                _ = stopped => {}
            }
            drop(moto);
        });
        Ok(Self { address, stop: Some(stop), task })
    }

    /// The URL for clients, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops and waits until that is done.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

/// Connections live in the set, so that they end with the listener.
async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, router.clone()));
            }
            // Out of file descriptors, mostly: wait for connections to end rather than spin.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection. hyper closes it without a word when the service fails, which is what `Dropped` is for.
async fn serve(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = inner.call(request);
        async move {
            let Ok(answer) = answer.await;
            if answer.extensions().get::<Dropped>().is_some() {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted));
            }
            Ok(answer)
        }
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
