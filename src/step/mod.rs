//! The steps of a check, each capability -> (record, next capability).
//!
//!   ask        a question to one name server -> its answer
//!   resolver   the files of this box's resolver
//!   resolve    name -> addresses, with what each name server said
//!   tables     what the kernel knows of links, routes and neighbours
//!   counters   what the kernel counts for the whole box
//!   connect    address -> an open Wire, with what the network said
//!   tunnel     the same Wire, through a proxy to the target
//!   greet      what the service says first, and which service that is
//!   dialogues  who says what in each STARTTLS dialogue
//!   starttls   the dialogue that brings a service to TLS
//!   hello      a hand-made ClientHello, for questions that rustls cannot ask
//!   tls        the handshake, recorded first and judged afterwards
//!   reply      what the application says when it is asked
//!   mysql      the login that a MySQL server must see, lest it locks this box out
//!   sockets    all TCP sockets of this network, and whose they are
//!   near       what this box's own tables have to do with a connect that failed
//!   record     what every step may know, and what they leave behind
//!   places     target -> the addresses to dial
//!   second     what extra connections are asked after a step that failed

pub mod ask;
pub mod resolver;
pub mod resolve;
pub mod tables;
pub mod counters;
pub mod connect;
pub mod tunnel;
pub mod greet;
pub mod dialogues;
pub mod starttls;
pub mod hello;
pub mod tls;
pub mod reply;
pub mod mysql;
pub mod sockets;
pub mod near;
pub mod record;
pub mod places;
pub mod second;
