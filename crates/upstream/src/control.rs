//! A connection for the control plane, driven by tokio-postgres.

use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_postgres::config::{ChannelBinding as ControlBinding, SslMode as ControlSslMode};
use tokio_postgres::error::DbError;
use tokio_postgres::tls::{MakeTlsConnect, NoTls};
use tokio_postgres::{Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connect::{is_about_tls, within};
use crate::dial::{Socket, Try, socket, tries};
use crate::target::ChannelBinding;
use crate::{Target, UpstreamError};

/// Carries the bytes of a control connection: spawn it. Ends when the client is dropped.
pub type ControlConnection =
    Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// Opens a control connection. The future has to be spawned for the client to get anywhere.
///
/// # Errors
/// See [`UpstreamError`].
pub async fn control(target: &Target) -> Result<(Client, ControlConnection), UpstreamError> {
    within(target, Box::pin(try_each(target))).await
}

async fn try_each(target: &Target) -> Result<(Client, ControlConnection), UpstreamError> {
    let (last, earlier) = tries(target).split_last().unwrap_or((&Try::Plain, &[]));
    for attempt in earlier {
        match try_one(target, *attempt).await {
            Err(error) if is_about_tls(&error) && !is_about_password(&error) => {
                tracing::debug!(%error, "trying another TLS level");
            }
            outcome => return outcome,
        }
    }
    try_one(target, *last).await
}

/// A wrong password does not become right on another TLS level.
fn is_about_password(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::Server(fields) if fields.contains(&(b'C', b"28P01".to_vec())))
}

async fn try_one(
    target: &Target,
    attempt: Try,
) -> Result<(Client, ControlConnection), UpstreamError> {
    let mut config = Config::new();
    config.user(target.user()).dbname(target.database());
    config.application_name(target.application_name().unwrap_or("pgdraft control"));
    if let Some(password) = target.password() {
        config.password(password);
    }
    config.channel_binding(match target.channel_binding() {
        ChannelBinding::Disable => ControlBinding::Disable,
        ChannelBinding::Prefer => ControlBinding::Prefer,
        ChannelBinding::Require => ControlBinding::Require,
    });
    config.ssl_mode(match attempt {
        Try::Plain => ControlSslMode::Disable,
        Try::Offered => ControlSslMode::Prefer,
        Try::Tls => ControlSslMode::Require,
    });
    let failed = |error| translate(target, attempt, error);
    match socket(target).await? {
        Socket::Unix(socket) => config
            .connect_raw(socket, NoTls)
            .await
            .map(carried)
            .map_err(failed),
        Socket::Tcp(socket) if attempt == Try::Plain => config
            .connect_raw(socket, NoTls)
            .await
            .map(carried)
            .map_err(failed),
        Socket::Tcp(socket) => {
            let mut make = MakeRustlsConnect::new(target.tls()?.as_ref().clone());
            let tls = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::make_tls_connect(
                &mut make,
                target.host(),
            )
            .map_err(|error| UpstreamError::Tls {
                address: target.address(),
                source: io::Error::new(io::ErrorKind::InvalidInput, error),
            })?;
            config
                .connect_raw(socket, tls)
                .await
                .map(carried)
                .map_err(failed)
        }
    }
}

fn carried<S, T>((client, connection): (Client, Connection<S, T>)) -> (Client, ControlConnection)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    (client, Box::pin(connection))
}

/// Sorts what tokio-postgres says into our own errors.
fn translate(target: &Target, attempt: Try, error: tokio_postgres::Error) -> UpstreamError {
    if let Some(server) = error.as_db_error() {
        return UpstreamError::Server(fields(server));
    }
    let text = error.to_string();
    let address = target.address();
    if attempt != Try::Plain && text.starts_with("error performing TLS handshake") {
        let source = std::error::Error::source(&error).map_or(text, ToString::to_string);
        if source == "server does not support TLS" {
            return UpstreamError::NoTls {
                address,
                mode: target.ssl_mode().as_str(),
            };
        }
        return UpstreamError::Tls {
            address,
            source: io::Error::other(source),
        };
    }
    UpstreamError::Control {
        address,
        source: error,
    }
}

/// An error of the server as the fields it had on the wire.
fn fields(error: &DbError) -> Vec<(u8, Vec<u8>)> {
    let mut fields = vec![
        (b'S', error.severity().as_bytes().to_vec()),
        (b'C', error.code().code().as_bytes().to_vec()),
        (b'M', error.message().as_bytes().to_vec()),
    ];
    let optional = [(b'D', error.detail()), (b'H', error.hint())];
    fields.extend(
        optional
            .into_iter()
            .filter_map(|(code, text)| text.map(|text| (code, text.as_bytes().to_vec()))),
    );
    fields
}
