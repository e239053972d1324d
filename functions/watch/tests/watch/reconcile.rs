//! Who has the next turn, and who is stuck.

use watch::reconcile::{Attempts, Patience, in_turn};

const PATIENCE: Patience = Patience {
    after_ms: 10,
    attempts_max: 2,
    again_max: 5,
};

#[test]
fn a_part_is_tried_and_then_stuck() {
    let mut attempts = Attempts::default();
    assert!(!attempts.is_due("a", 100, 109, &PATIENCE));
    assert!(attempts.is_due("a", 100, 110, &PATIENCE));
    attempts.count("a", 110);
    assert!(!attempts.is_due("a", 100, 119, &PATIENCE));
    assert!(attempts.is_due("a", 100, 120, &PATIENCE));
    attempts.count("a", 120);
    assert_eq!(attempts.stuck(129, &PATIENCE), [""; 0]);
    assert_eq!(attempts.stuck(130, &PATIENCE), ["a"]);
    let day = 24 * 60 * 60 * 1_000;
    assert!(!attempts.is_due("a", 100, 119 + day, &PATIENCE));
    assert!(attempts.is_due("a", 100, 120 + day, &PATIENCE));
    // Tried once more, it stays stuck.
    attempts.count("a", 120 + day);
    assert_eq!(attempts.stuck(121 + day, &PATIENCE), ["a"]);
    attempts.keep(|part| part != "a");
    assert_eq!(attempts, Attempts::default());
}

#[test]
fn each_has_its_turn() {
    let parts = ["a", "c", "e"];
    let turn = |after| in_turn(&parts, |part| part, after).copied().collect::<String>();
    assert_eq!(turn(None), "ace");
    assert_eq!(turn(Some("a")), "cea");
    assert_eq!(turn(Some("b")), "cea");
    assert_eq!(turn(Some("c")), "eac");
    assert_eq!(turn(Some("z")), "ace");
}
