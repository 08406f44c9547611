//! The sockets of all ways in: opened before anything else starts, so that a start fails whose addresses are taken.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use rustix::fs::fstat;
use socket2::SockRef;
use wharf_http::Listener;

use super::relay::Relay;
use super::settings::Statsd;
use crate::listen;

/// All sockets.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unixgram: Vec<UnixDatagram>,
    pub(super) unix: Vec<UnixListener>,
    /// The paths of those that have some, which go when this does; each with what is there.
    paths: Vec<(PathBuf, Option<Identity>)>,
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for (path, ours) in &self.paths {
            // Somebody may have taken it away already, or put another one there.
            if ours.is_some() && Identity::at(path) == *ours {
                let _gone = fs::remove_file(path);
            }
        }
    }
}

/// Which file it is, whatever its name.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    /// Numbers of files that are gone are given away again.
    created: Option<SystemTime>,
}

impl Identity {
    /// That of the file at a path, if there is one.
    fn at(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            created: metadata.created().ok(),
        })
    }
}

impl Sockets {
    /// Opens them.
    ///
    /// # Errors
    /// If one cannot be opened.
    pub(crate) fn open(settings: &Statsd) -> anyhow::Result<Self> {
        let mut sockets = Self::default();
        for address in &settings.udp {
            let socket = listen::bind_udp(address)?;
            enlarge(&SockRef::from(&socket), settings.read_buffer)?;
            announce("udp", &listen::shown(socket.local_addr()));
            sockets.udp.push(socket);
        }
        for address in &settings.tcp {
            let Listener::Tcp(listener) = listen::bind(address)? else {
                bail!("listen tcp {address}: expected a socket of TCP");
            };
            announce("tcp", &listen::shown(listener.local_addr()));
            sockets.tcp.push(listener);
        }
        for path in &settings.unixgram {
            let socket = sockets.at_path(path, settings.unix_mode, |path| UnixDatagram::bind(path))?;
            enlarge(&SockRef::from(&socket), settings.read_buffer)?;
            announce("unixgram", &path.display().to_string());
            sockets.unixgram.push(socket);
        }
        for path in &settings.unix {
            let listener = sockets.at_path(path, settings.unix_mode, |path| UnixListener::bind(path))?;
            announce("unix", &path.display().to_string());
            sockets.unix.push(listener);
        }
        Ok(sockets)
    }

    /// Copies of lines must not come back.
    ///
    /// # Errors
    /// If they would.
    pub(crate) fn check_relay(&self, relay: Option<&Arc<Relay>>) -> anyhow::Result<()> {
        match relay.and_then(|relay| relay.returns_to(&self.udp)) {
            Some(target) => bail!(
                "--statsd.relay.address: expected another place than this gateway's own socket, found {target}"
            ),
            None => Ok(()),
        }
    }

    /// The numbers by which the system knows the sockets of UDP.
    pub(super) fn udp_inodes(&self) -> HashSet<u64> {
        let inodes = self.udp.iter().filter_map(|socket| fstat(socket).ok());
        inodes.map(|stat| stat.st_ino).collect()
    }

    /// Opens a socket at a path. One that a process has left behind that was killed is taken away first.
    fn at_path<S>(
        &mut self,
        path: &Path,
        mode: u32,
        bind: impl FnOnce(&Path) -> io::Result<S>,
    ) -> anyhow::Result<S> {
        let shown = path.display();
        if is_left_behind(path) {
            fs::remove_file(path).with_context(|| format!("listen unix {shown}: remove the old socket"))?;
        }
        let socket = bind(path).with_context(|| format!("listen unix {shown}: bind"))?;
        self.paths.push((path.to_owned(), Identity::at(path)));
        let mode = Permissions::from_mode(mode);
        fs::set_permissions(path, mode).with_context(|| format!("listen unix {shown}: set the mode"))?;
        Ok(socket)
    }
}

/// Whether there is a socket that nobody has open any more. To connect in the wrong way, with or without a connection, to one that
/// somebody has open is another mistake than that nobody is there.
fn is_left_behind(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let tried = [
        UnixDatagram::unbound().and_then(|socket| socket.connect(path)),
        UnixStream::connect(path).map(drop),
    ];
    let mut errors = tried
        .into_iter()
        .map(|tried| tried.err().map(|error| error.kind()));
    is_socket && errors.any(|error| error == Some(io::ErrorKind::ConnectionRefused))
}

/// Gives a socket a larger buffer, and says so if the system does not.
fn enlarge(socket: &SockRef<'_>, bytes: usize) -> anyhow::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    socket
        .set_recv_buffer_size(bytes)
        .context("set the receive buffer (--statsd.read-buffer)")?;
    let given = socket
        .recv_buffer_size()
        .context("read the size of the receive buffer")?;
    // Linux doubles it, for what it keeps beside.
    if given < bytes.saturating_mul(2) {
        tracing::warn!(
            wanted = bytes,
            given = given / 2,
            "the receive buffer is smaller than --statsd.read-buffer: raise net.core.rmem_max"
        );
    }
    Ok(())
}

fn announce(way: &str, address: &str) {
    tracing::info!(way, address, "Accepting StatsD lines");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path) -> anyhow::Result<Sockets> {
        Sockets::open(&Statsd {
            unixgram: vec![path.to_owned()],
            unix_mode: 0o600,
            ..Statsd::default()
        })
    }

    #[test]
    fn a_socket_has_its_mode_and_goes_with_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let sockets = at(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(sockets);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_of_somebody_else_stays_at_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = at(&path).unwrap();
        // So that its number is not given away again.
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        let second = at(&path).unwrap();
        drop(first);
        UnixDatagram::unbound().unwrap().connect(&path).unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(UnixDatagram::bind(&path).unwrap());
        let living = at(&path).unwrap();
        assert!(at(&path).is_err(), "somebody listens there");
        drop(living);
        drop(UnixListener::bind(&path).unwrap());
        drop(at(&path).unwrap());
        let listener = UnixListener::bind(&path).unwrap();
        assert!(at(&path).is_err(), "somebody listens for connections");
        drop(listener);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a file").unwrap();
        assert!(at(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }
}
