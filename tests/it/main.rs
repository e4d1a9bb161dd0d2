//! The integration tests: the binary as its users run it, against servers made for each test.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

/// This box as ip, ss and nstat see it.
mod box_view;
/// Boxes that lack what others have.
mod boxes;
/// What is wrong with a certificate, and who trusts it.
mod certificate;
/// Box against box: the grid, the first step that differs, files that are no such files.
mod compare;
/// What the network says to a SYN, by real faults in a network of our own.
mod connect;
/// What a check costs, in instructions.
mod cost;
/// Every step ends at its limit, whatever the peer does.
mod deadlines;
/// What leaves the build: the image, the manual page, completion.
mod delivery;
/// A FIN, a RST or an ICMP error is the same in every step.
mod ends;
/// What a service says before it is asked.
mod greet;
/// No password is ever shown or written.
mod secrets;
/// What is typed by habit, a name alone, a target as it was pasted.
mod habits;
/// What the file is protected by.
mod hardening;
/// Why a handshake fails, and which name gets which certificate.
mod hello;
/// What routers say in ICMP about a SYN and about a question to a name server.
mod icmp;
/// The layout that keeps the tree readable.
mod layout;
mod layout_messages;
/// The far end: who came, what they get, and that a flood does not hurt.
mod listen;
/// How much an ok means.
mod levels;
/// Lists of targets: how they are read, checked side by side, told and counted.
mod many;
/// What happens to the output when nobody reads it, or everybody can.
mod pipes;
/// Proxies, real and bad ones; what the environment names; the PROXY protocol.
mod proxy;
/// Questions that need no login, and what their answers mean.
mod query;
/// The READMEs: their examples, commands and links.
mod readme;
/// What the application answers, and what it means when it does not.
mod reply;
/// What people read in two languages, and programs in one.
mod report;
/// Every way in which a name server can fail, and this box's own files.
mod resolve;
/// The schemas of its JSON: that they notice, and that the references say the same.
mod schema;
/// The proof that the file works on a box.
mod selftest;
/// How the file gets onto another box.
mod ship;
/// The real servers offer what the tests expect of them.
mod servers_work;
/// STARTTLS, each protocol against a real server and against every bad answer.
mod starttls;
/// What the tests stand on: the runner, the zoo, names, certificates, networks.
mod support;
/// The support itself: a zoo that lies would make every other test worthless.
mod support_works;
/// `reach talk` against real servers and scripted ones.
mod talk;
/// Every output at every width of a terminal, and in a pipe.
mod terminal;
/// How far the handshake came, and who ended it.
mod tls;
/// Where on the way a SYN dies, beside traceroute.
mod trace;
/// What comes back and no kernel takes for an answer.
mod unheard;
/// What cannot be meant, what is typed by habit, and the help.
mod usage;
/// One check again and again: until it works, or to count how often it does.
mod wait;
/// `reach watch`: the states that real sockets are in.
mod watch;
/// Every animal of the zoo against every kind of question.
mod zoo_table;
