//! What a service can be asked without a login, and what its answer says.
//!
//! A query changes nothing at the other end, logs nobody in, and counts as no failed login. Its
//! answer is judged by its own bytes: a version and an identity as far as the service tells.
//!
//!   reader     numbers and strings in binary answers
//!   database   oracle, mssql, db2, postgres, mongodb, memcached, cassandra, zookeeper
//!   messaging  amqp, mqtt, kafka, nats, stomp
//!   network    ssh, ldap, kerberos, smb, rpcbind, nfs, rdp, sip, rtsp, dns, grpc

use crate::base::text::Key;

mod reader;
mod database;
mod messaging;
mod network;

/// One question, by the scheme that asks it or `--ask`.
pub struct Query {
    pub name: &'static str,
    pub request: fn(&Place) -> Vec<u8>,
    /// Judges what has come so far, which never is empty.
    pub hear: fn(&[u8]) -> Heard,
    /// Whether what the service said before it was asked belongs to the answer.
    pub whole: bool,
}

impl Query {
    /// Where its answer begins, if that to anything else would begin at `from`.
    pub fn start(&self, from: usize) -> usize {
        if self.whole { 0 } else { from }
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Where it is asked, as far as questions name the place.
pub struct Place<'a> {
    pub host: &'a str,
    /// What stands behind the first slash of the URL: a service, a database, a virtual host.
    pub path: &'a str,
}

/// What an answer says.
#[derive(PartialEq, Eq)]
pub enum Heard {
    /// The rest of it is still to come.
    More,
    /// The same question is to be sent once more.
    Again,
    /// No answer of this service.
    Other,
    /// The service works; who it is, as far as it tells.
    Yes(String),
    /// It refuses, in its own words, and the text that says what that means.
    No(String, Option<Key>),
}

impl Eq for Query {}

impl Heard {
    /// `Other` for an answer that could not be read although it is all there.
    fn read(answer: Option<Self>) -> Self {
        answer.unwrap_or(Self::Other)
    }
}

/// The query of this name.
pub fn query(name: &str) -> Option<&'static Query> {
    QUERIES.iter().find(|query| query.name == name)
}

/// A service that waits for its client.
const fn row(
    name: &'static str,
    request: fn(&Place) -> Vec<u8>,
    hear: fn(&[u8]) -> Heard,
) -> Query {
    Query { name, request, hear, whole: false }
}

/// A service that speaks first.
const fn greeted(
    name: &'static str,
    request: fn(&Place) -> Vec<u8>,
    hear: fn(&[u8]) -> Heard,
) -> Query {
    Query { name, request, hear, whole: true }
}

/// Every query. A scheme that means TLS asks the same as the one without its last letter.
pub static QUERIES: [Query; 24] = [
    row("oracle", database::oracle, database::hear_oracle),
    row("mssql", database::mssql, database::hear_mssql),
    row("db2", database::db2, database::hear_db2),
    row("postgres-login", database::postgres, database::hear_postgres),
    row("mongodb", database::mongodb, database::hear_mongodb),
    row("memcached", database::memcached, database::hear_memcached),
    row("cassandra", database::cassandra, database::hear_cassandra),
    row("zookeeper", database::zookeeper, database::hear_zookeeper),
    row("amqp", messaging::amqp, messaging::hear_amqp),
    row("mqtt", messaging::mqtt, messaging::hear_mqtt),
    row("kafka", messaging::kafka, messaging::hear_kafka),
    greeted("nats", messaging::nats, messaging::hear_nats),
    row("stomp", messaging::stomp, messaging::hear_stomp),
    greeted("ssh", network::ssh, network::hear_ssh),
    row("ldap", network::ldap, network::hear_ldap),
    row("kerberos", network::kerberos, network::hear_kerberos),
    row("smb", network::smb, network::hear_smb),
    row("rpcbind", network::rpcbind, network::hear_rpc),
    row("nfs", network::nfs, network::hear_rpc),
    row("rdp", network::rdp, network::hear_rdp),
    row("sip", network::sip, network::hear_sip),
    row("rtsp", network::rtsp, network::hear_rtsp),
    row("dns", network::dns, network::hear_dns),
    row("grpc", network::grpc, network::hear_grpc),
];
