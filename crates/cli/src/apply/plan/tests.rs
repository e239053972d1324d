//! Plans: what is new, edited, taken away, changed by hand, cut short; and that one apply is enough from anywhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
use super::super::schedule::{self, Wiring};
use super::*;

fn wiring() -> Wiring {
    Wiring {
        target: "arn:aws:sqs:eu-west-1:1:dev-extract".to_owned(),
        role: "arn:aws:iam::1:role/dev-scheduler-eu-west-1".to_owned(),
        dead_letters: "arn:aws:sqs:eu-west-1:1:dev-schedules-dead".to_owned(),
    }
}

/// A pipeline that is not in the stack yet.
fn pipeline(name: &str, settings: &str) -> PipelineWanted {
    let text = format!(
        "pipeline: {name}\n{settings}source: {{files: {{}}}}\nresources:\n  - name: r\n    file: {{path: a.csv}}\n    record: {{primary_key: [id], fields: {{id: {{type: string}}}}}}\n    load: {{collection: {name}}}\n"
    );
    let checked = pipeline::check("p.yaml", &text).map_err(|faults| faults.to_string()).unwrap();
    PipelineWanted {
        pipeline: checked.pipeline.pipeline.clone(),
        file: format!("pipelines/{name}.yaml"),
        definition: DefinitionWanted {
            hash: checked.hash.to_string(),
            newest: None,
            stored: false,
        },
        schedules: schedule::schedules(&checked.pipeline, &wiring()),
        collections: Vec::new(),
    }
}

fn hourly(name: &str) -> PipelineWanted {
    pipeline(name, "schedule: rate(1 hour)\n")
}

fn whole(pipelines: Vec<PipelineWanted>) -> Wanted {
    Wanted { pipelines, whole: true }
}

/// What the stack has once the plan was carried out.
fn carried_out(wanted: &Wanted, there: &There) -> (Wanted, There) {
    let plan = plan(wanted, there);
    let (mut wanted, mut there) = (wanted.clone(), there.clone());
    for step in &plan.definitions {
        let known = there.applied.iter().find(|one| one.pipeline == step.pipeline);
        let generation = known.map_or(1, |one| one.generation + 1);
        let of = wanted.pipelines.iter_mut().find(|one| one.pipeline == step.pipeline).unwrap();
        let generation = *of.definition.newest.get_or_insert(generation);
        of.definition.stored = true;
        there.applied.retain(|one| one.pipeline != step.pipeline);
        there.applied.push(applied(&step.pipeline, &step.hash, generation));
    }
    for step in plan.schedules {
        match step {
            ScheduleStep::Create(to) => there.schedules.push(to),
            ScheduleStep::Change { to, .. } => {
                there.schedules.retain(|one| one.name != to.name);
                there.schedules.push(to);
            }
            ScheduleStep::Delete { name, .. } => there.schedules.retain(|one| one.name != name),
        }
    }
    for one in &mut there.applied {
        one.removed |= plan.removed.contains(&one.pipeline);
    }
    for one in wanted.pipelines.iter_mut().flat_map(|one| &mut one.collections) {
        one.changes.clear();
    }
    (wanted, there)
}

fn applied(pipeline: &Name, definition: &str, generation: u32) -> Applied {
    Applied {
        pipeline: pipeline.clone(),
        definition: definition.to_owned(),
        generation,
        file: format!("pipelines/{pipeline}.yaml"),
        removed: false,
        applied_ms: 0,
    }
}

/// The stack that runs these.
fn running(wanted: &Wanted) -> (Wanted, There) {
    carried_out(wanted, &There::default())
}

#[test]
fn all_is_new() {
    let mut orders = pipeline("orders", "schedule: cron(0 6 * * ? *)\ntime_zone: Europe/Paris\njitter: 15m\n");
    orders.collections = vec![CollectionWanted {
        collection: "orders".to_owned(),
        is_new: true,
        changes: vec![
            "create the collection, with its validator".to_owned(),
            "create the index `at_-1`".to_owned(),
        ],
        left: Vec::new(),
    }];
    let wanted = whole(vec![orders, pipeline("by-hand", "")]);
    insta::assert_snapshot!(plan(&wanted, &There::default()), @r"
      + definition  orders    b829c491, new in this stack
      + definition  by-hand   c83f939b, new in this stack
      + schedule    orders.r  cron(0 6 * * ? *) in Europe/Paris, up to 15 minutes later
      + collection  orders
          create the collection, with its validator
          create the index `at_-1`

    Plan: 4 to create, 0 to change, 0 to delete
    ");
}

#[test]
fn carried_out_there_is_nothing_to_change() {
    let (wanted, there) = running(&whole(vec![hourly("a"), pipeline("b", "")]));
    let again = plan(&wanted, &there);
    assert!(again.is_empty(), "{again}");
    assert_eq!(again.to_string(), "nothing to change\n");
}

#[test]
fn an_edited_pipeline_is_one_definition_and_its_schedules() {
    let (mut wanted, there) = running(&whole(vec![hourly("a"), hourly("b")]));
    wanted.pipelines[1] = pipeline("b", "schedule: rate(2 hours)\n");
    insta::assert_snapshot!(plan(&wanted, &there), @r"
      ~ definition  b    a9986c52, the file was edited
      ~ schedule    b.r
          expression: rate(1 hour) -> rate(2 hours)

    Plan: 0 to create, 2 to change, 0 to delete
    ");
}

#[test]
fn a_pipeline_that_is_gone_loses_its_schedule_only_where_all_files_were_read() {
    let (mut wanted, there) = running(&whole(vec![hourly("a"), hourly("b")]));
    wanted.pipelines.remove(1);
    insta::assert_snapshot!(plan(&wanted, &there), @r"
      - schedule  b.r  rate(1 hour)
      - pipeline  b    its file is gone; its data stays

    Plan: 0 to create, 0 to change, 2 to delete
    ");
    wanted.whole = false;
    assert!(plan(&wanted, &there).is_empty());
}

#[test]
fn a_pipeline_that_is_back_is_created_again() {
    let both = whole(vec![hourly("a"), hourly("b")]);
    let (mut one, there) = running(&both);
    let b = one.pipelines.remove(1);
    let (mut wanted, there) = carried_out(&one, &there);
    wanted.pipelines.push(b);
    insta::assert_snapshot!(plan(&wanted, &there), @r"
      + definition  b    48782171, the pipeline is back
      + schedule    b.r  rate(1 hour) in UTC

    Plan: 2 to create, 0 to change, 0 to delete
    ");
}

#[test]
fn what_was_changed_by_hand_is_put_right_and_what_is_not_ours_is_left() {
    let (wanted, mut there) = running(&whole(vec![hourly("a")]));
    let mut foreign = there.schedules[0].clone();
    (foreign.name, foreign.input) = ("nightly-report".to_owned(), "{}".to_owned());
    there.schedules[0].enabled = false;
    there.schedules[0].window_minutes = Some(5);
    there.schedules[0].dead_letters = None;
    there.schedules.push(foreign);
    insta::assert_snapshot!(plan(&wanted, &there), @r"
      ~ schedule  a.r
          dead letters: (none) -> arn:aws:sqs:eu-west-1:1:dev-schedules-dead
          jitter: 5 minutes -> off
          state: disabled -> enabled

    note: the schedule `nightly-report` in the stack's group is not Tidemill's: it is left as it is
    Plan: 0 to create, 1 to change, 0 to delete
    ");
}

#[test]
fn an_apply_that_was_cut_short_is_finished() {
    let (wanted, there) = running(&whole(vec![hourly("a")]));
    let why = |wanted: &Wanted, there: &There| plan(wanted, there).definitions.first().map(|step| step.why);
    assert_eq!(why(&wanted, &there), None);
    let mut not_noted = there.clone();
    not_noted.applied.clear();
    assert_eq!(why(&wanted, &not_noted), Some(Why::CutShort));
    let mut not_stored = wanted.clone();
    not_stored.pipelines[0].definition.stored = false;
    assert_eq!(why(&not_stored, &there), Some(Why::CutShort));
}

/// Whatever was there, and wherever it was cut short: at the end there is nothing to change.
#[test]
fn from_anywhere_one_apply_is_enough() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut there = There::default();
        let mut wanted = Wanted::default();
        for _ in 0..3 {
            let names: Vec<&str> = ["a", "b", "c"].into_iter().filter(|_| random.bool()).collect();
            let pipelines = names.into_iter().map(|name| {
                let settings = ["", "schedule: rate(1 hour)\n", "schedule: rate(2 hours)\njitter: 5m\n"];
                pipeline(name, settings[random.usize(..3)])
            });
            wanted = Wanted {
                pipelines: pipelines.collect(),
                whole: random.bool(),
            };
            for one in &mut wanted.pipelines {
                let known = there.applied.iter().find(|known| known.pipeline == one.pipeline);
                let known = known.filter(|known| known.definition == one.definition.hash);
                one.definition.newest = known.map(|known| known.generation);
                one.definition.stored = known.is_some();
            }
            let before = there.clone();
            (wanted, there) = carried_out(&wanted, &before);
            // Killed in the middle: some of the schedules are as before.
            if random.bool() {
                there.schedules.retain(|_| random.bool());
                there.schedules.iter_mut().for_each(|one| one.enabled = random.bool());
            }
        }
        let (wanted, there) = carried_out(&wanted, &there);
        let again = plan(&wanted, &there);
        assert!(again.is_empty(), "seed {seed}: {again}");
    }
}
