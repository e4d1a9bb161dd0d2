//! The one table of keywords.

use crate::base::text::{Lang, Stem, message};
use crate::verdict::{Family, Keyword};

#[test]
fn a_word_belongs_to_one_keyword_and_its_texts_exist() {
    for (at, keyword) in Keyword::ALL.iter().enumerate() {
        assert_eq!(Keyword::parse(keyword.word()), Some(*keyword));
        assert_eq!(keyword.to_string(), keyword.word());
        assert!(
            Keyword::ALL[..at]
                .iter()
                .all(|before| before < keyword && before.word() != keyword.word())
        );
        for lang in [Lang::En, Lang::Ja] {
            assert!(
                !message(lang, Stem::of(keyword.word()).key().unwrap()).is_empty(),
                "{keyword}"
            );
        }
    }
    assert_eq!(Keyword::parse("tcp"), None);
    assert_eq!(Keyword::parse("tcp.rest"), None);
}

#[test]
fn the_family_is_the_beginning_of_the_word_and_has_its_own_exit_status() {
    for keyword in Keyword::ALL {
        let family = format!("{:?}", keyword.family()).to_lowercase();
        match keyword.word().split_once('.') {
            Some((first, _)) => assert_eq!(first, family),
            None => assert_eq!(keyword.family(), Family::Whole),
        }
        let exits = match keyword.family() {
            Family::Whole => 0..=0,
            Family::Local => 70..=70,
            Family::Dns => 10..=10,
            Family::Tcp => 20..=23,
            Family::Proxy => 30..=30,
            Family::Starttls => 40..=40,
            Family::Tls => 50..=52,
            Family::Cert => 51..=51,
            Family::Reply => 60..=60,
        };
        assert!(exits.contains(&keyword.exit()), "{keyword} {}", keyword.exit());
    }
}
