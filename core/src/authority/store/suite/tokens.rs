//! What every store must do with tokens.

use super::{HOUR, NOW, Store, leaf};
use crate::{
    ErrorCode, Timestamp,
    authority::store::{
        DenyListEntry, NewLeaf, PlannedLeaf, Recorded, TokenKey, TokenQuery, TokenRecord,
        TokenSelector as Selector, TokenStanding, TokenUse,
    },
};

pub(super) fn run(make: &dyn Fn() -> Box<dyn Store>) {
    keys_follow_one_another(&*make());
    one_of_many_rotates_the_key(&*make());
    a_token_comes_back_as_it_was(&*make());
    tokens_are_listed_in_pages(&*make());
    a_family_is_revoked_together(&*make());
    every_selector_finds_its_own(&*make());
    a_denied_identity_loses_its_tokens(&*make());
    tokens_that_ended_are_purged(&*make());
    a_use_is_stored_with_its_leaf_or_not_at_all(&*make());
    one_of_many_uses_a_token_up(&*make());
}

fn key(id: &str) -> TokenKey {
    TokenKey::new(id.into(), format!("stored {id}"), vec![4; 97], NOW)
}

fn token(jti: &str) -> TokenRecord {
    TokenRecord::new(jti, format!("subject of {jti}"), NOW, NOW.plus(HOUR))
}

fn jtis(tokens: &[TokenRecord]) -> Vec<&str> {
    tokens.iter().map(|token| token.jti.as_str()).collect()
}

fn keys_follow_one_another(store: &dyn Store) {
    assert_eq!(store.token_keys().unwrap(), []);
    assert!(!store.add_token_key(&key("a"), Some("none"), NOW).unwrap());
    assert!(store.add_token_key(&key("a"), None, NOW).unwrap());
    assert_eq!(store.token_keys().unwrap(), [key("a")]);

    assert!(!store.add_token_key(&key("b"), None, NOW).unwrap(), "there is one by now");
    let until = NOW.plus(HOUR);
    assert!(store.add_token_key(&key("b"), Some("a"), until).unwrap());
    let graced = TokenKey { graced_until: Some(until), ..key("a") };
    assert_eq!(store.token_keys().unwrap(), [key("b"), graced.clone()]);

    // Only who was active until now gets the grace: those before keep theirs.
    assert!(store.add_token_key(&key("c"), Some("b"), NOW).unwrap());
    let ended = TokenKey { graced_until: Some(NOW), ..key("b") };
    assert_eq!(store.token_keys().unwrap(), [key("c"), ended, graced]);
}

fn one_of_many_rotates_the_key(store: &dyn Store) {
    assert!(store.add_token_key(&key("first"), None, NOW).unwrap());
    let won = std::thread::scope(|scope| {
        let rotate = |n: usize| {
            move || store.add_token_key(&key(&format!("{n}")), Some("first"), NOW).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(rotate(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
    assert_eq!(store.token_keys().unwrap().len(), 2);
}

fn a_token_comes_back_as_it_was(store: &dyn Store) {
    let whole = TokenRecord {
        family: "another".into(),
        entity_id: "id".into(),
        entity_name: "näme".into(),
        entity_type: "service".into(),
        principal: "CATALYST::NODE".into(),
        fingerprint: Some("fingerprint".into()),
        spiffe_id: Some("spiffe://td.example/node/a".into()),
        sans: vec!["one".into(), "\"two\"".into()],
        ..token("whole")
    };
    store.record_token(&whole).unwrap();
    store.record_token(&token("plain")).unwrap();
    assert_eq!(store.find_token("whole").unwrap(), Some(whole.clone()));
    assert_eq!(store.find_token("plain").unwrap(), Some(token("plain")));
    assert_eq!(store.find_token("none").unwrap(), None);
    let error = store.record_token(&token("whole")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DuplicateRecord);
    assert_eq!(store.find_token("whole").unwrap(), Some(whole), "as it was");
}

fn tokens_are_listed_in_pages(store: &dyn Store) {
    for n in 0..5 {
        store.record_token(&token(&format!("{n}"))).unwrap();
    }
    let mut query = TokenQuery { limit: 2, ..TokenQuery::default() };
    let mut listed = Vec::new();
    loop {
        let page = store.list_tokens(&query).unwrap();
        assert!(page.tokens.len() <= 2);
        listed.extend(page.tokens);
        match page.cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(jtis(&listed), ["4", "3", "2", "1", "0"]);
    let all = store.list_tokens(&TokenQuery::default()).unwrap();
    assert_eq!((all.tokens.len(), all.cursor), (5, None));
    let bad = TokenQuery { cursor: Some("no cursor".into()), ..TokenQuery::default() };
    assert_eq!(store.list_tokens(&bad).unwrap_err().code(), ErrorCode::InvalidArgument);
}

fn a_family_is_revoked_together(store: &dyn Store) {
    let child = |jti| TokenRecord { family: "first".into(), ..token(jti) };
    for token in [token("first"), child("second"), child("third"), token("stranger")] {
        store.record_token(&token).unwrap();
    }
    let by_jti = |jti: &str| Selector::Jti(jti.into());
    let revoked = store.revoke_tokens(&by_jti("second"), NOW).unwrap();
    assert_eq!(revoked, ["first", "second", "third"]);
    assert_eq!(store.find_token("third").unwrap().unwrap().revoked_at, Some(NOW));
    assert_eq!(store.find_token("stranger").unwrap().unwrap().revoked_at, None);

    // What is revoked stays so, since when it was.
    assert!(store.revoke_tokens(&by_jti("first"), NOW.plus(HOUR)).unwrap().is_empty());
    assert_eq!(store.find_token("first").unwrap().unwrap().revoked_at, Some(NOW));
    assert!(store.revoke_tokens(&by_jti("none"), NOW).unwrap().is_empty());

    assert_eq!(store.revoked_tokens(NOW).unwrap(), ["first", "second", "third"]);
    assert!(store.revoked_tokens(NOW.plus(HOUR)).unwrap().is_empty(), "they have ended");
}

fn every_selector_finds_its_own(store: &dyn Store) {
    let tokens = [
        (Selector::Jti("by jti".into()), token("by jti")),
        (Selector::Subject("s".into()), TokenRecord { subject: "s".into(), ..token("subject") }),
        (
            Selector::San("n".into()),
            TokenRecord { sans: vec!["m".into(), "n".into()], ..token("san") },
        ),
        (
            Selector::Fingerprint("f".into()),
            TokenRecord { fingerprint: Some("f".into()), ..token("fingerprint") },
        ),
        (
            Selector::SpiffeId("i".into()),
            TokenRecord { spiffe_id: Some("i".into()), ..token("id") },
        ),
    ];
    for (_, token) in &tokens {
        store.record_token(token).unwrap();
    }
    for (selected, token) in &tokens {
        let query = TokenQuery { selected: Some(selected.clone()), ..TokenQuery::default() };
        assert_eq!(jtis(&store.list_tokens(&query).unwrap().tokens), [token.jti.as_str()]);
        assert_eq!(store.revoke_tokens(selected, NOW).unwrap(), [token.jti.as_str()]);
    }
}

fn a_denied_identity_loses_its_tokens(store: &dyn Store) {
    let denied = leaf(1).record.spiffe_id.unwrap();
    let mut bound = token("bound");
    bound.spiffe_id = Some(denied.clone());
    store.record_token(&bound).unwrap();
    store.record_token(&token("other")).unwrap();
    let entry = DenyListEntry { spiffe_id: denied.clone(), reason: "lost".into(), denied_at: NOW };
    store.deny(&entry).unwrap();
    assert_eq!(store.revoked_tokens(NOW).unwrap(), ["bound"]);

    // Nobody mints it one meanwhile, not even a call that was under way.
    let late = TokenRecord { jti: "late".into(), ..bound.clone() };
    let error = store.record_token(&late).unwrap_err();
    assert_eq!(error.code(), ErrorCode::IdentityDenied);
    assert_eq!(store.find_token("late").unwrap(), None);

    // Taking the denial back brings no token back, and what is minted from then on is good.
    assert!(store.allow(&denied).unwrap());
    let again = TokenRecord { jti: "new".into(), family: "new".into(), ..bound };
    store.record_token(&again).unwrap();
    assert_eq!(store.revoked_tokens(NOW).unwrap(), ["bound"]);
}

fn bootstrap(jti: &str, uses: u32) -> TokenRecord {
    TokenRecord { uses: Some(uses), spiffe_id: Some(SOMEBODY.into()), ..token(jti) }
}

fn used_for(jti: &str, request: u8) -> TokenUse {
    TokenUse::new(jti, [request; 32])
}

const SOMEBODY: &str = "spiffe://td.example/node/a";

/// A leaf of an empty store's hierarchy, for which a token is used.
fn leaf_for(number: usize, token_use: &TokenUse) -> NewLeaf {
    let mut new = leaf(number).with_token_use(Some(token_use.clone()));
    new.record.spiffe_id = Some(SOMEBODY.into());
    new
}

fn a_use_is_stored_with_its_leaf_or_not_at_all(store: &dyn Store) {
    store.record_token(&bootstrap("two", 2)).unwrap();
    let standing = |token_use: &TokenUse| {
        let planned = PlannedLeaf::new(SOMEBODY, "a", &[], NOW);
        let planned = planned.with_token_use(Some(token_use));
        store.facts_before_signing(&planned).unwrap().token.unwrap()
    };
    let (first, second, third) = (used_for("two", 1), used_for("two", 2), used_for("two", 3));
    assert_eq!(standing(&first), TokenStanding::Good);
    let recorded = |number, token_use| store.record_leaf(leaf_for(number, token_use));
    assert_eq!(recorded(1, &first), Ok(Recorded::Stored));
    let again = TokenStanding::UsedForThis(leaf(1).record.serial);
    assert_eq!(recorded(2, &first), Ok(Recorded::Token(again.clone())));
    assert_eq!(store.find_by_serial(&leaf(2).record.serial).unwrap(), None);

    // A leaf that is refused for another reason uses nothing up.
    assert_eq!(recorded(1, &second).unwrap_err().code(), ErrorCode::DuplicateRecord);
    assert_eq!(standing(&second), TokenStanding::Good);
    assert_eq!(recorded(2, &second), Ok(Recorded::Stored));
    assert_eq!(recorded(3, &third), Ok(Recorded::Token(TokenStanding::UsedUp)));
    assert_eq!(standing(&first), again, "the first one still gets what it got");

    // It is for one identity, and for its time: also where nobody has looked before.
    let mut of_another = leaf_for(3, &first);
    of_another.record.spiffe_id = Some("spiffe://td.example/node/b".into());
    let for_another = Recorded::Token(TokenStanding::ForAnother(SOMEBODY.into()));
    assert_eq!(store.record_leaf(of_another), Ok(for_another));
    let mut too_late = leaf_for(3, &first);
    too_late.record.created_at = NOW.plus(HOUR).plus(crate::jws::SKEW);
    assert_eq!(store.record_leaf(too_late), Ok(Recorded::Token(TokenStanding::Ended)));

    let unknown = used_for("unknown", 1);
    assert_eq!(recorded(3, &unknown), Ok(Recorded::Token(TokenStanding::Revoked)));
    store.record_token(&token("not used up")).unwrap();
    let other = used_for("not used up", 1);
    assert_eq!(recorded(3, &other), Ok(Recorded::Token(TokenStanding::UsedUp)), "it is for else");
    store.revoke_tokens(&Selector::Jti("two".into()), NOW).unwrap();
    assert_eq!(recorded(3, &first), Ok(Recorded::Token(TokenStanding::Revoked)));
}

fn one_of_many_uses_a_token_up(store: &dyn Store) {
    store.record_token(&bootstrap("one", 1)).unwrap();
    let stored = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|n| {
                let leaf = leaf_for(usize::from(n), &used_for("one", n));
                scope.spawn(move || store.record_leaf(leaf).unwrap())
            })
            .collect();
        let recorded = threads.into_iter().map(|thread| thread.join().unwrap());
        recorded.filter(|recorded| *recorded == Recorded::Stored).count()
    });
    assert_eq!(stored, 1);
}

fn tokens_that_ended_are_purged(store: &dyn Store) {
    let ends = |jti, at: Timestamp| TokenRecord {
        expires_at: at,
        sans: vec!["name".into()],
        ..token(jti)
    };
    store.record_token(&ends("past", NOW)).unwrap();
    store.record_token(&ends("present", NOW.plus(HOUR))).unwrap();
    store.purge_expired(NOW.plus(HOUR)).unwrap();
    assert_eq!(store.find_token("past").unwrap(), None);
    let named =
        TokenQuery { selected: Some(Selector::San("name".into())), ..TokenQuery::default() };
    assert_eq!(jtis(&store.list_tokens(&named).unwrap().tokens), ["present"]);
    // Its number is not given again, so that no list shows an old place as new.
    store.record_token(&token("next")).unwrap();
    assert_eq!(
        jtis(&store.list_tokens(&TokenQuery::default()).unwrap().tokens),
        ["next", "present"]
    );
}
