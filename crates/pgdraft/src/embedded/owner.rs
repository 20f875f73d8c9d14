//! Whom PostgreSQL runs as where we are root.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;

/// A user that is not root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// `postgres` or `nobody` where this process is root; `None` where it is not.
    pub(super) fn needed() -> Result<Option<Self>, Failure> {
        if effective_uid() != Some(0) {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| find(&passwd, name))
            .map(Some)
            .ok_or_else(|| {
                Failure::unexpected(
                    "PostgreSQL does not run as root, and there is no user postgres or nobody",
                    "start pgdraft as another user",
                )
            })
    }

    /// Makes the command run as this user; supplementary groups are dropped by the library.
    pub(super) fn become_in(self, command: &mut Command) {
        command.gid(self.gid).uid(self.uid);
    }

    /// Gives a file or folder to this user.
    pub(super) fn give(self, path: &Path) -> Result<(), Failure> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(|e| {
            Failure::unexpected(
                format!("could not give {} to another user: {e}", path.display()),
                "name another folder with --data-dir",
            )
        })
    }
}

/// Our own user: the owner of our entry in /proc, or what `id` says.
fn effective_uid() -> Option<u32> {
    if let Ok(metadata) = std::fs::metadata("/proc/self") {
        return Some(metadata.uid());
    }
    let output = Command::new("id").arg("-u").output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// A user's numbers in `/etc/passwd`.
fn find(passwd: &str, name: &str) -> Option<Owner> {
    let line = passwd.lines().find(|l| {
        l.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(':'))
    })?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    (uid != 0).then_some(Owner { uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_whole_name() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\npostgresql:x:1:1::/:/\npostgres:x:105:113:,:/var:/bin/sh\n";
        assert_eq!(find(passwd, "postgres"), Some(Owner { uid: 105, gid: 113 }));
        assert_eq!(find(passwd, "nobody"), None);
        assert_eq!(find(passwd, "root"), None);
    }
}
