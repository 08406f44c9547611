//! Where the groups are that several gateways share, and what this one is called among them.

use std::path::PathBuf;

use wharf_etcd::{EtcdSettings, Member};
use wharf_settings::{Kind, Takes, ValueError, kinds, settings};

use crate::parts::storage::settings::{Persistence, Storage, Sync};

const MEMBERS: Kind<Vec<Member>> = Kind::new(
    Takes::Value("URLs of etcd members, with commas between them: http://10.0.0.1:2379,..."),
    |value| {
        let urls = value.split(',').map(str::trim).filter(|url| !url.is_empty());
        let members = urls.map(|url| {
            url.parse::<Member>()
                .map_err(|error| ValueError::new(error.to_string()))
        });
        members.collect()
    },
    |members| {
        let members: Vec<String> = members.iter().map(ToString::to_string).collect();
        members.join(",")
    },
);

const PREFIX: Kind<String> = Kind::new(
    Takes::Value("the beginning of keys, such as /wharf/"),
    |value| {
        if value.is_empty() {
            return Err(ValueError::new(
                "expected the beginning of all keys, found nothing".to_owned(),
            ));
        }
        // Without an end, the keys of `/wharf-2` would be ours as well.
        let end = if value.ends_with('/') { "" } else { "/" };
        Ok(format!("{value}{end}"))
    },
    String::clone,
);

const TEXT: Kind<Option<String>> = Kind::new(
    Takes::Value("a name"),
    |value| Ok(Some(value.to_owned()).filter(|value| !value.is_empty())),
    |value| value.clone().unwrap_or_default(),
);

settings! {
    /// Where the groups are that several gateways share.
    pub struct Replica {
        /// The members of etcd; none: this gateway is alone.
        pub members: Vec<Member> = Vec::new(),
            "storage.etcd" as MEMBERS,
            "Keep the groups in etcd (3.5.8 or later), and share them with all gateways that have the same etcd and prefix.";
        /// How the keys begin.
        pub prefix: String = "/wharf/".to_owned(),
            "storage.etcd-prefix" as PREFIX,
            "How all keys in etcd begin.";
        /// The user.
        pub user: Option<String> = None,
            "storage.etcd-user" as TEXT,
            "User of etcd, if it asks for one.";
        /// The file with the password.
        pub password_file: Option<PathBuf> = None,
            "storage.etcd-password-file" as kinds::FILE,
            "File with the password of that user. Read again whenever etcd asks anew.";
        /// The file with authorities.
        pub ca_file: Option<PathBuf> = None,
            "storage.etcd-ca-file" as kinds::FILE,
            "File with the authorities that have signed etcd's certificates (PEM); those of the system by default.";
        /// The file with the certificate of this client.
        pub cert_file: Option<PathBuf> = None,
            "storage.etcd-cert-file" as kinds::FILE,
            "File with the certificate that this gateway shows to etcd (PEM). Read again for each connection.";
        /// The file with its key.
        pub key_file: Option<PathBuf> = None,
            "storage.etcd-key-file" as kinds::FILE,
            "File with the key of that certificate (PEM).";
        /// Whether etcd is ours alone.
        pub compact: bool = false,
            "storage.etcd-compact" as kinds::SWITCH,
            "Let etcd forget old revisions. Compaction is for all keys of an etcd, so this is for one that nobody else \
             uses; otherwise let etcd do it (--auto-compaction-retention).";
        /// What this replica is called.
        pub name: Option<String> = None,
            "replica.name" as TEXT,
            "What this gateway is called among the replicas: a name that no other has; its host and port by default.";
        /// Where it is to be reached.
        pub address: Option<String> = None,
            "replica.address" as TEXT,
            "Where this gateway is to be reached, as others show it; --web.external-url, or its host and port, by default.";
    }
}

impl Replica {
    /// Whether groups are shared.
    pub fn is_one(&self) -> bool {
        !self.members.is_empty()
    }

    /// What does not go together.
    pub(crate) fn check(&self, storage: &Storage, persistence: &Persistence) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut refuse = |is_wrong: bool, text: &str| {
            if is_wrong {
                mistakes.push(text.to_owned());
            }
        };
        if !self.is_one() {
            let others = [
                (self.user.is_some(), "user"),
                (self.password_file.is_some(), "password-file"),
                (self.ca_file.is_some(), "ca-file"),
                (self.cert_file.is_some(), "cert-file"),
                (self.key_file.is_some(), "key-file"),
                (self.compact, "compact"),
            ];
            for (is_given, name) in others {
                let text = format!("expected --storage.etcd beside --storage.etcd-{name}, found none");
                refuse(is_given, &text);
            }
            return mistakes;
        }
        refuse(
            self.user.is_some() != self.password_file.is_some(),
            "expected both --storage.etcd-user and --storage.etcd-password-file, found one of them",
        );
        refuse(
            self.cert_file.is_some() != self.key_file.is_some(),
            "expected both --storage.etcd-cert-file and --storage.etcd-key-file, found one of them",
        );
        let is_encrypted = self.members.iter().any(Member::is_encrypted);
        refuse(
            !is_encrypted && (self.ca_file.is_some() || self.cert_file.is_some()),
            "expected https:// in --storage.etcd beside files for TLS, found http:// only",
        );
        refuse(
            storage.sync != Sync::Always,
            "expected no --storage.sync beside --storage.etcd, found one: etcd decides when a push is safe",
        );
        refuse(
            persistence.file.is_some(),
            "expected no --persistence.file beside --storage.etcd, found one: `wharf import` brings what it has",
        );
        mistakes
    }

    pub(super) fn of_etcd(&self) -> EtcdSettings {
        EtcdSettings {
            members: self.members.clone(),
            prefix: self.prefix.clone().into(),
            user: self.user.clone().zip(self.password_file.clone()),
            authorities: self.ca_file.clone(),
            identity: self.cert_file.clone().zip(self.key_file.clone()),
        }
    }
}
