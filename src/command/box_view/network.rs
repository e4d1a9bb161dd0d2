//! Interfaces, addresses, routes, and whether the next hops are there.

use crate::base::list::List;
use crate::base::text::{self};
use crate::command::box_view::{View, json, proc, shown};
use crate::format::netlink::{Address, DAD_FAILED, Link, TENTATIVE, Tables, UNICAST};
use crate::report::{Object, array};

impl View {
    /// Interfaces and their addresses.
    pub(super) fn links(&mut self, tables: &Tables) {
        let mut rows = Vec::new();
        for link in &tables.links {
            let own: Vec<&Address> =
                tables.addresses.iter().filter(|a| a.link == link.index).list();
            let addresses: Vec<String> = own.iter().map(|a| a.place()).list();
            self.judge_link(link, &own);
            let state = match (link.is_up(), link.has_carrier()) {
                (false, _) => "down",
                (true, false) => "up, no carrier",
                _ => "up",
            };
            let name = shown(&link.name);
            let mut text = format!("{name} {state}, MTU {}, {}", link.mtu, addresses.join(" "));
            if link.bad() > 0 {
                text += &format!(", errors rx {} tx {}", link.errors.0, link.errors.1);
            }
            if rows.len() < LINKS_SHOWN && (link.is_up() || !own.is_empty()) {
                self.line("link", text.trim_end_matches([',', ' ']).to_owned());
            }
            let object = Object::new().text("name", &name).number("index", link.index);
            let object = object.raw("up", link.is_up().to_string());
            let object = object.raw("carrier", link.has_carrier().to_string());
            let object = object.number("mtu", link.mtu);
            let object =
                object.number("rx_errors", link.errors.0).number("tx_errors", link.errors.1);
            let addresses = addresses.iter().map(|a| text::json_string(a));
            rows.push(object.raw("addresses", array(addresses)).end());
        }
        if rows.len() > LINKS_SHOWN {
            self.line("link", format!("… ({})", rows.len()));
        }
        if proc("sys/net/ipv6/conf/all/disable_ipv6").trim() == "1" {
            self.notes.push(note!("box.nov6"));
        }
        self.members.push(("links", array(rows.into_iter())));
    }

    fn judge_link(&mut self, link: &Link, own: &[&Address]) {
        let name = shown(&link.name);
        if link.is_up() && !link.has_carrier() && !own.is_empty() {
            self.notes.push(note!("box.carrier").with("name", &name));
        }
        // One in ten thousand is no accident.
        if link.bad() > 0 && link.bad() * BAD_SHARE > link.packets {
            let note = note!("box.errors").with("name", &name);
            self.notes.push(note.with("errors", link.bad()).with("packets", link.packets));
        }
        for address in own.iter().filter(|a| a.flags & (DAD_FAILED | TENTATIVE) != 0) {
            let note = note!("box.duplicate").with("name", &name);
            self.notes.push(note.with("address", address.place()));
        }
    }

    /// The ways out, and whether the next hop of each is there.
    pub(super) fn routes(&mut self, tables: &Tables) {
        let name = |index: u32| {
            let link = tables.links.iter().find(|link| link.index == index);
            link.map_or("?".to_owned(), |link| shown(&link.name))
        };
        let mut rows = Vec::new();
        let (mut others, mut ways_out) = (0, 0);
        for route in &tables.routes {
            let neighbour = route.via.and_then(|via| {
                tables.neighbours.iter().find(|n| n.ip == via && n.link == route.link)
            });
            let mut text = route.target();
            if let Some(via) = route.via {
                text += &format!(" via {}", text::ip(&via));
            }
            if route.link > 0 {
                text += &format!(" dev {}", name(route.link));
            }
            let state = neighbour.map(|n| n.state());
            if let Some(state) = state {
                text += &format!(", {state}");
            }
            match route.prefix == 0 || route.kind != UNICAST {
                true => self.line("route", text),
                false => others += 1,
            }
            ways_out += usize::from(route.prefix == 0 && route.kind == UNICAST);
            if let (Some(via), Some("failed" | "incomplete")) = (route.via, state) {
                let note = note!("box.gateway").with("ip", text::ip(&via));
                self.notes.push(note.with("name", name(route.link)));
            }
            let object = Object::new().text("dst", &route.target());
            let object = object.raw("via", json(route.via.map(|ip| text::ip(&ip))));
            let object = object.text("dev", &name(route.link)).number("metric", route.metric);
            let object = object.raw("neighbour", json(state));
            rows.push(object.end());
        }
        if others > 0 {
            self.line("route", format!("+{others}"));
        }
        if ways_out == 0 {
            self.notes.push(note!("box.nodefault"));
        }
        self.members.push(("routes", array(rows.into_iter())));
    }
}

/// One bad packet of so many is told.
const BAD_SHARE: u64 = 10_000;

/// Rows of the screen for interfaces, and listeners on it.
const LINKS_SHOWN: usize = 8;
