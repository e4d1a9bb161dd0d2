//! A tree of DER elements that can also be encoded as DER does not allow: odd encodings are the
//! point.

/// One element, or bytes that stand as they are.
#[derive(Clone)]
pub struct Node {
    tag: u8,
    body: Body,
    length: Length,
}

#[derive(Clone)]
enum Body {
    Bytes(Vec<u8>),
    Nodes(Vec<Node>),
    Verbatim(Vec<u8>),
}

/// How the length is written.
#[derive(Clone, Copy)]
enum Length {
    Shortest,
    /// With so many zeros before it, in the long form.
    Padded(usize),
    /// BER's: 0x80, and two zero octets at the end.
    Indefinite,
}

/// What can be wrong with the encoding of one element.
#[derive(Clone, Copy, Debug)]
pub enum Noise {
    PaddedLength,
    IndefiniteLength,
    TrailingBytes,
    Twice,
    Missing,
    OtherTag,
    LeadingZero,
    Empty,
    LastByteChanged,
}

pub const NOISES: [Noise; 9] = [
    Noise::PaddedLength,
    Noise::IndefiniteLength,
    Noise::TrailingBytes,
    Noise::Twice,
    Noise::Missing,
    Noise::OtherTag,
    Noise::LeadingZero,
    Noise::Empty,
    Noise::LastByteChanged,
];

pub fn bytes(tag: u8, value: &[u8]) -> Node {
    Node { tag, body: Body::Bytes(value.to_vec()), length: Length::Shortest }
}

/// An element made of elements; also an OCTET STRING with one inside.
pub fn nodes(tag: u8, list: Vec<Node>) -> Node {
    Node { tag, body: Body::Nodes(list), length: Length::Shortest }
}

pub fn sequence(list: Vec<Node>) -> Node {
    nodes(0x30, list)
}

pub fn verbatim(der: Vec<u8>) -> Node {
    Node { tag: 0, body: Body::Verbatim(der), length: Length::Shortest }
}

pub fn oid(contents: &[u8]) -> Node {
    bytes(0x06, contents)
}

pub fn integer(value: u8) -> Node {
    bytes(0x02, &[value])
}

/// A BIT STRING without unused bits.
pub fn bits(value: &[u8]) -> Node {
    bytes(0x03, &[&[0], value].concat())
}

impl Node {
    pub fn encode(&self) -> Vec<u8> {
        let value = match &self.body {
            Body::Verbatim(der) => return der.clone(),
            Body::Bytes(value) => value.clone(),
            Body::Nodes(list) => list.iter().flat_map(Node::encode).collect(),
        };
        let digits: Vec<u8> =
            value.len().to_be_bytes().iter().skip_while(|b| **b == 0).copied().collect();
        let mut out = vec![self.tag];
        match self.length {
            Length::Indefinite => out.push(0x80),
            Length::Shortest if value.len() < 0x80 => out.push(value.len() as u8),
            length => {
                let zeros = if let Length::Padded(zeros) = length { zeros } else { 0 };
                let zeros = zeros.max(usize::from(digits.is_empty()));
                out.push(0x80 | (digits.len() + zeros) as u8);
                out.resize(out.len() + zeros, 0);
                out.extend(digits);
            }
        }
        out.extend(value);
        if matches!(self.length, Length::Indefinite) {
            out.extend([0, 0]);
        }
        out
    }

    /// Elements from here downwards, this one too.
    pub fn count(&self) -> usize {
        1 + self.children().iter().map(Node::count).sum::<usize>()
    }

    fn children(&self) -> &[Node] {
        if let Body::Nodes(list) = &self.body { list } else { &[] }
    }

    /// Spoils the element with this number, counted as they stand in the file; what was done.
    pub fn spoil(&mut self, mut at: usize, noise: Noise) -> String {
        if at == 0 {
            return self.spoil_here(noise);
        }
        at -= 1;
        let Body::Nodes(list) = &mut self.body else { return "nothing".to_owned() };
        let mut place = 0;
        while at >= list[place].count() {
            at -= list[place].count();
            place += 1;
        }
        let told = format!("element {:02x}", list[place].tag);
        match (at, noise) {
            (0, Noise::Twice) => list.insert(place, list[place].clone()),
            (0, Noise::Missing) => drop(list.remove(place)),
            _ => return list[place].spoil(at, noise),
        }
        format!("{told}: {noise:?}")
    }

    fn spoil_here(&mut self, noise: Noise) -> String {
        let told = format!("element {:02x}: {noise:?}", self.tag);
        match (noise, &mut self.body) {
            (_, Body::Verbatim(_)) => return "nothing".to_owned(),
            (Noise::PaddedLength, _) => self.length = Length::Padded(1),
            (Noise::IndefiniteLength, _) => self.length = Length::Indefinite,
            (Noise::TrailingBytes, Body::Nodes(list)) => list.push(bytes(0x05, &[])),
            (Noise::TrailingBytes, Body::Bytes(value)) => value.push(0),
            (Noise::OtherTag, _) => self.tag ^= 0x20,
            (Noise::LeadingZero, Body::Bytes(value)) => value.insert(0, 0),
            (Noise::Empty, body) => *body = Body::Bytes(Vec::new()),
            (Noise::LastByteChanged, Body::Bytes(value)) => {
                value.last_mut().map(|byte| *byte ^= 0x80).unwrap_or_default();
            }
            _ => return "nothing".to_owned(),
        }
        told
    }
}

/// Base-128 digits of one number of an object identifier.
pub fn arc(mut number: u128) -> Vec<u8> {
    let mut out = vec![(number & 0x7f) as u8];
    while number > 0x7f {
        number >>= 7;
        out.insert(0, 0x80 | (number & 0x7f) as u8);
    }
    out
}
