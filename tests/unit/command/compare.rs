//! The JSON reader of `compare` against files that somebody else, or nobody, wrote.

use crate::command::compare::Json;

fn text(json: &str) -> Option<String> {
    match Json::parse(json.as_bytes()) {
        Ok(Json::Text(text)) => Some(text),
        _ => None,
    }
}

#[test]
fn strings_are_read_as_rfc_8259_says() {
    assert_eq!(text(r#""a\"\\\/\b\f\n\r\tあ""#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\tあ");
    assert_eq!(text(r#""\u0041\u3042\ud83d\ude00""#).unwrap(), "Aあ😀");
    assert_eq!(text(r#""\ud83d\u0041|\ude00|\ud83d""#).unwrap(), "\u{fffd}A|\u{fffd}|\u{fffd}");
    for bad in
        [r#"""#, r#""\"#, r#""\x41""#, r#""\u12""#, r#""\u+123""#, "\"a\nb\"", "\"\\ud83d\\u12\""]
    {
        assert!(Json::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn objects_lists_and_words_are_read_and_nothing_else() {
    let json = Json::parse(br#" {"a":[1,-2.5e+3,{}],"b":{"c":[]},"d":null,"e":true,"a":0} "#);
    let json = json.unwrap_or(Json::Null);
    assert!(json.get("b").get("c") == &Json::List(vec![]));
    assert!(json.get("e") == &Json::Bool(true) && json.get("x") == &Json::Null);
    for bad in
        ["", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "nul", "1 2", "-", "[1]]", "{,}"]
    {
        assert!(Json::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Json::parse(nested(16).as_bytes()).is_ok());
    assert!(Json::parse(nested(1_000_000 / 2).as_bytes()).is_err());
}

#[test]
fn one_hundred_thousand_mutations_never_panic() {
    let seed = br#"{"schema":1,"type":"check","target":"h:1","dns":{"addresses":["10.0.0.1"],"ms":0.125},"paths":[{"tls":{"chain":[{"sha256":"\u0041\ud83d\ude00"}],"alert":null}}]}"#;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let interesting = b"{}[]\",:\\u\x00\xff\xe3 tfn0-";
    let mut read = 0;
    for _ in 0..100_000 {
        let mut line = seed.to_vec();
        for _ in 0..=random(3) {
            let at = random(line.len());
            match random(4) {
                0 => line[at] = random(256) as u8,
                1 => line[at] = interesting[random(interesting.len())],
                2 => drop(line.remove(at)),
                _ => line.insert(at, interesting[random(interesting.len())]),
            }
        }
        read += usize::from(Json::parse(&line).is_ok());
    }
    assert!(read > 5_000, "some mutations are still JSON: {read}");
}
