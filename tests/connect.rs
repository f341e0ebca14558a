//! Connections as NATS users have them: tokens, nkeys, credentials, TLS with client certificates,
//! and contexts of the `nats` CLI, each against a server that insists on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lifeboat_harness::ServerRequest;
use lifeboat_harness::wait::{Probe, until};
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as TlsKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Called, Lifeboat};

/// A server with a configuration of its own.
struct Server {
    child: Child,
    url: String,
    directory: TempDir,
    lifeboat: Lifeboat,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait().map(drop));
    }
}

impl Server {
    /// Starts one with this configuration besides.
    async fn start(directory: TempDir, configuration: &str) -> Self {
        let binary = ServerRequest::from_env().unwrap().fetch().unwrap();
        let root = directory.path();
        let text = format!(
            "listen: \"127.0.0.1:-1\"\nports_file_dir: {root:?}\njetstream: {{ store_dir: {:?} }}\n{configuration}\n",
            root.join("store")
        );
        fs::write(root.join("server.conf"), text).unwrap();
        let child = Command::new(&binary.path)
            .arg("-c")
            .arg(root.join("server.conf"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(root.join("server.log")).unwrap())
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            url: String::new(),
            directory,
            lifeboat: Lifeboat::new(),
        };
        server.url = until(Duration::from_secs(20), || async {
            let read = || -> Option<String> {
                let entries = fs::read_dir(server.directory.path()).ok()?;
                let path = entries.flatten().map(|entry| entry.path()).find(|path| {
                    path.extension()
                        .is_some_and(|extension| extension == "ports")
                })?;
                let ports: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
                Some(ports["nats"][0].as_str()?.to_owned())
            };
            match read() {
                Some(url) => Probe::Ready(url),
                None => Probe::Pending(
                    fs::read_to_string(server.directory.path().join("server.log"))
                        .unwrap_or_default(),
                ),
            }
        })
        .await
        .unwrap();
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Asks for a backup of everything, which is the least that needs a connection.
    fn back_up(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Called {
        let target = tempfile::tempdir().unwrap();
        let target = target.path().join("account");
        let all = [&["backup", "account", target.to_str().unwrap()], arguments].concat();
        let mut command = self.lifeboat.command(&all);
        command.envs(environment.iter().copied());
        command.output().unwrap().into()
    }

    fn write_context(&self, name: &str, context: &Value) {
        let directory = self.lifeboat.home.path().join(".config/nats/context");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{name}.json")), context.to_string()).unwrap();
    }

    fn select_context(&self, name: &str) {
        let directory = self.lifeboat.home.path().join(".config/nats");
        fs::write(directory.join("context.txt"), name).unwrap();
    }
}

#[tokio::test]
async fn a_token_opens_the_door() {
    let configuration = "authorization { token: \"s3cret\" }";
    let server = Server::start(tempfile::tempdir().unwrap(), configuration).await;
    let url = ["--server", &server.url];
    let called = server.back_up(&url, &[]).expect_code(14);
    assert!(
        called.stderr.contains("authorization violation"),
        "{}",
        called.stderr
    );
    let with = |more: &[&str]| server.back_up(&[&url, more].concat(), &[]);
    let _done = with(&["--token", "s3cret"]).expect_code(0);
    // As the `nats` CLI has it.
    let _done = with(&["--user", "s3cret"]).expect_code(0);
    let called = with(&["--token", "wrong"]).expect_code(14);
    assert!(!called.stderr.contains("wrong"), "{}", called.stderr);
    let called = with(&["--token", "s3cret", "--nkey", "/x"]).expect_code(2);
    assert!(called.stderr.contains("one of"), "{}", called.stderr);
    let environment = [("NATS_URL", &*server.url), ("NATS_TOKEN", "s3cret")];
    let _done = server.back_up(&[], &environment).expect_code(0);
}

#[tokio::test]
async fn an_nkey_opens_the_door() {
    let key = KeyPair::new_user();
    let configuration = format!(
        "authorization {{ users = [ {{ nkey: {} }} ] }}",
        key.public_key()
    );
    let server = Server::start(tempfile::tempdir().unwrap(), &configuration).await;
    let seed = server.path("user.nk");
    fs::write(&seed, format!("{}\n", key.seed().unwrap())).unwrap();
    let arguments = ["--server", &server.url, "--nkey", seed.to_str().unwrap()];
    let _done = server.back_up(&arguments, &[]).expect_code(0);
    let arguments = ["--server", &server.url, "--nkey", "/no/such/file"];
    let called = server.back_up(&arguments, &[]).expect_code(14);
    assert!(called.stderr.contains("/no/such/file"), "{}", called.stderr);
}

#[tokio::test]
async fn a_context_says_where_and_as_whom() {
    let configuration = "authorization { users = [ { user: me, password: \"pw d\" } ] }";
    let server = Server::start(tempfile::tempdir().unwrap(), configuration).await;
    server.write_context(
        "prod",
        &json!({ "description": "", "url": server.url, "user": "me", "password": "pw d" }),
    );
    server.write_context("other", &json!({ "url": "nats://127.0.0.1:1" }));
    let _done = server.back_up(&["--context", "prod"], &[]).expect_code(0);
    let _done = server
        .back_up(&[], &[("NATS_CONTEXT", "prod")])
        .expect_code(0);
    // The selected one, unless another is named.
    server.select_context("prod");
    let _done = server.back_up(&[], &[]).expect_code(0);
    let _unreachable = server.back_up(&["--context", "other"], &[]).expect_code(14);
    // What is typed takes precedence.
    let arguments = [
        "--context",
        "other",
        "--server",
        &server.url,
        "--user",
        "me",
    ];
    let _done = server
        .back_up(&[&arguments[..], &["--password", "pw d"]].concat(), &[])
        .expect_code(0);
    let called = server.back_up(&["--context", "prd"], &[]).expect_code(2);
    assert!(
        called.stderr.contains("there are: other, prod"),
        "{}",
        called.stderr
    );
}

/// An authority, and what it vouches for.
fn write_certificates(directory: &Path) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, TlsKey::generate().unwrap()).unwrap();
    fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    for name in ["server", "client"] {
        let key = TlsKey::generate().unwrap();
        let names = [String::from("localhost"), String::from("127.0.0.1")];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    for first in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        write_certificates(directory.path());
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let configuration = format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true, handshake_first: {first} }}",
            path("server.pem"),
            path("server.key"),
            path("ca.pem"),
        );
        let (ca, cert, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
        let server = Server::start(directory, &configuration).await;
        let mut arguments = vec!["--server", &server.url, "--tlsca", &ca];
        if first {
            arguments.push("--tlsfirst");
        }
        let _refused = server.back_up(&arguments, &[]).expect_code(14);
        let with = [&arguments[..], &["--tlscert", &cert, "--tlskey", &key]].concat();
        let _done = server.back_up(&with, &[]).expect_code(0);
        server.write_context(
            "tls",
            &json!({ "url": server.url, "ca": ca, "cert": cert, "key": key, "tls_first": first }),
        );
        let _done = server.back_up(&["--context", "tls"], &[]).expect_code(0);
    }
}
