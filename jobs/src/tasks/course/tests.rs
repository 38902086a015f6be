use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{kinds::ReviewTerms, sandbox::Cause};

fn task(max_rounds: u32) -> Task {
    Task {
        name: "greeting".to_owned(),
        goal: "Greet.".to_owned(),
        language: "python".to_owned(),
        context: None,
        max_rounds,
        review: ReviewTerms::default(),
        submitted_by: None,
    }
}

fn python() -> &'static Language {
    Language::of("python").unwrap()
}

fn answer(answer: Value) -> Ended {
    Ended::Answered { answer, model: "offline".to_owned() }
}

fn file(path: &str, content: &str) -> Ended {
    answer(json!({"reason": "x", "files": [{"path": path, "content": content}]}))
}

fn planned() -> Ended {
    answer(json!({"summary": "It greets.", "steps": ["greet"], "interface": "greet()"}))
}

fn report(passed: bool, printed: &str) -> Ended {
    Ended::Ran(TestReport {
        passed,
        cause: Cause::Exited,
        exit_code: Some(i64::from(!passed)),
        stdout: String::new(),
        stderr: printed.to_owned(),
        wall_ms: 5,
    })
}

fn judged(judged: Judged) -> Ended {
    let claims = vec!["It is rude.".to_owned()];
    Ended::Reviewed(Judgement { judged, review: "rev_1".to_owned(), claims, verdict: json!({"findings": []}) })
}

/// A task that goes from step to step.
struct Walk {
    task: Task,
    course: Course,
}

impl Walk {
    fn begin(max_rounds: u32) -> Self {
        let (task, mut course) = (task(max_rounds), Course::default());
        assert!(course.is_to_begin());
        assert_eq!(course.begin(&task, python()), Next::Await);
        Self { task, course }
    }

    /// At the tests, with a program.
    fn written(max_rounds: u32) -> Self {
        let mut walk = Self::begin(max_rounds);
        walk.goes([(Part::Plan, planned())]);
        walk.goes([(Part::Program, file("main.py", "1")), (Part::Tests, file("test_main.py", "2"))]);
        assert_eq!(walk.course.step(), Step::Run);
        walk
    }

    fn on<const N: usize>(&mut self, ended: [(Part, Ended); N]) -> Next {
        // As it is after a crash: from its checkpoint.
        self.course = serde_json::from_str(&serde_json::to_string(&self.course).unwrap()).unwrap();
        self.course.advance(&self.task, python(), ended.into())
    }

    fn goes<const N: usize>(&mut self, ended: [(Part, Ended); N]) {
        assert_eq!(self.on(ended), Next::Await);
    }

    fn dies<const N: usize>(&mut self, ended: [(Part, Ended); N]) -> (String, String) {
        let said = match self.on(ended) {
            Next::Dead(error) => error.message,
            Next::Tell(why) => why,
            next => panic!("{next:?}"),
        };
        let error = self.course.dies(1).expect("it is told, and then it dies");
        assert_eq!(error.message, said);
        assert_eq!(self.course.dies(2), Some(error.clone()), "its worker died before anybody heard of it");
        assert_eq!(self.course.dies(1), None, "somebody had it run again");
        (error.code, error.message)
    }

    fn asked(&self) -> Vec<Part> {
        self.course.errands(&self.task, python()).into_iter().map(|(part, _)| part).collect()
    }

    /// What the model is told of the only question.
    fn question(&self) -> String {
        match &self.course.errands(&self.task, python())[0].1 {
            Errand::Ask(question) => serde_json::to_string(question).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_task_is_planned_written_run_and_reviewed() {
    let mut walk = Walk::begin(3);
    assert_eq!((walk.asked(), walk.course.name("plan")), (vec![Part::Plan], "01.plan".to_owned()));
    walk.goes([(Part::Plan, planned())]);
    assert_eq!(walk.asked(), [Part::Program, Part::Tests], "side by side");
    walk.goes([(Part::Program, file("main.py", "1")), (Part::Tests, file("test_main.py", "2"))]);
    assert_eq!(walk.asked(), [Part::Run]);
    walk.goes([(Part::Run, report(true, ""))]);
    assert_eq!((walk.asked(), walk.course.name("review")), (vec![Part::Review], "04.review".to_owned()));

    let Next::Done(delivered) = walk.on([(Part::Review, judged(Judged::Approved))]) else { panic!() };
    assert_eq!((delivered.summary.as_str(), delivered.repairs), ("It greets.", 0));
    assert_eq!(delivered.artifact.files.keys().collect::<Vec<_>>(), ["main.py", "test_main.py"]);
    assert!(delivered.test_report.passed && delivered.models.contains("offline"));
}

#[test]
fn what_fails_is_repaired_as_often_as_it_may_be() {
    let mut walk = Walk::written(2);
    for round in ["one", "two"] {
        walk.goes([(Part::Run, report(false, round))]);
        assert_eq!(walk.asked(), [Part::Repair]);
        assert!(walk.question().contains(round), "the developer sees what the tests printed");
        walk.goes([(Part::Repair, file("main.py", round))]);
        assert_eq!(walk.asked(), [Part::Run]);
    }
    let (code, message) = walk.dies([(Part::Run, report(false, "three"))]);
    assert_eq!((code.as_str(), message.contains("2 repairs")), ("tests_fail", true));

    // Whoever has it run again gives it as many more.
    assert!(walk.course.is_to_begin());
    assert_eq!(walk.course.begin(&walk.task, python()), Next::Await);
    assert_eq!(walk.asked(), [Part::Repair]);
    assert_eq!(walk.course.name("repair"), "08.repair", "a job of its own");
}

#[test]
fn changes_are_made_once_and_a_rejection_is_final() {
    let mut walk = Walk::written(0);
    walk.goes([(Part::Run, report(true, ""))]);
    walk.goes([(Part::Review, judged(Judged::ChangesRequested))]);
    assert_eq!(walk.asked(), [Part::Repair]);
    assert!(walk.question().contains("reviewers"));
    walk.goes([(Part::Repair, file("main.py", "3"))]);
    walk.goes([(Part::Run, report(true, ""))]);
    let Errand::Review(again) = walk.course.errands(&walk.task, python()).remove(0).1 else { panic!() };
    assert_eq!((again.round_of.as_deref(), again.files["main.py"].as_str()), (Some("rev_1"), "3"));
    let (code, message) = walk.dies([(Part::Review, judged(Judged::ChangesRequested))]);
    assert_eq!((code.as_str(), message.contains("It is rude.")), ("changes_requested", true));

    let mut walk = Walk::written(0);
    walk.goes([(Part::Run, report(true, ""))]);
    let (code, message) = walk.dies([(Part::Review, judged(Judged::Rejected))]);
    assert_eq!((code.as_str(), message.contains("It is rude.")), ("rejected", true));
}

#[test]
fn an_answer_that_breaks_a_rule_is_asked_for_again_by_place_and_code() {
    let mut walk = Walk::begin(3);
    walk.goes([(Part::Plan, planned())]);
    walk.goes([(Part::Program, file("../main.py", "1")), (Part::Tests, file("test_main.py", "2"))]);
    assert_eq!(walk.asked(), [Part::Program], "the tests are there");
    let told = walk.question();
    assert!(told.contains("/files/0/path") && told.contains("path_outside_the_workspace") && !told.contains("../main"));
    walk.goes([(Part::Program, Ended::Unusable { reason: "truncated".to_owned(), model: "m".to_owned() })]);
    assert!(walk.question().contains("truncated"));
    walk.goes([(Part::Program, file("main.py", "1"))]);
    assert_eq!(walk.asked(), [Part::Run]);
    assert!(!walk.course.news(3).contains("could not be used"));
}

#[test]
fn the_same_error_for_the_third_time_is_the_end() {
    let mut walk = Walk::begin(3);
    let unusable = || Ended::Unusable { reason: "invalid".to_owned(), model: "m".to_owned() };
    walk.goes([(Part::Plan, unusable())]);
    walk.goes([(Part::Plan, unusable())]);
    assert_eq!(walk.dies([(Part::Plan, unusable())]).0, "stuck");

    // Tests that fail in the same way, however long they took.
    let mut walk = Walk::written(5);
    for round in ["1", "2"] {
        walk.goes([(Part::Run, report(false, &format!("FAILED in 0.{round}s")))]);
        walk.goes([(Part::Repair, file("main.py", &format!("repaired {round}")))]);
    }
    assert_eq!(walk.dies([(Part::Run, report(false, "FAILED in 17.3s"))]).0, "stuck");
}

#[test]
fn the_same_step_with_the_same_input_for_the_fourth_time_is_the_end() {
    // A platform that always fails, and never in the same way.
    let mut walk = Walk::written(5);
    for printed in ["a", "b"] {
        walk.goes([(Part::Run, crash(printed))]);
        assert_eq!(walk.asked(), [Part::Run], "nobody's fault is not repaired");
    }
    let (code, message) = walk.dies([(Part::Run, crash("c"))]);
    assert_eq!((code.as_str(), message.contains("same input")), ("stuck", true), "{message}");
}

fn crash(printed: &str) -> Ended {
    let Ended::Ran(report) = report(false, printed) else { unreachable!() };
    Ended::Ran(TestReport { cause: Cause::SandboxCrashed, exit_code: None, ..report })
}

#[test]
fn a_child_that_died_is_the_end_with_its_reason_and_what_came_of_the_others_is_kept() {
    let mut walk = Walk::begin(3);
    walk.goes([(Part::Plan, planned())]);
    let died = Ended::Failed(JobError::new("model_unavailable", "the provider answered 503"));
    let (code, message) = walk.dies([(Part::Program, died), (Part::Tests, file("test_main.py", "2"))]);
    assert_eq!((code.as_str(), message.as_str()), ("model_unavailable", "program: the provider answered 503"));
    assert_eq!(walk.course.begin(&walk.task, python()), Next::Await);
    assert_eq!(walk.asked(), [Part::Program], "the tests need not be written again");
}

/// Whatever may come of an errand, in a few bytes.
fn whatever(part: Part, dice: u8) -> Ended {
    match (part, dice % 8) {
        (_, 0) => Ended::Failed(JobError::new("x", "y")),
        (Part::Run, n) => match n {
            1..=3 => report(true, ""),
            4 => crash(&"x".repeat(usize::from(dice / 8))),
            _ => report(false, &format!("failure {}", "x".repeat(usize::from(dice / 8)))),
        },
        (Part::Review, 1..=4) => judged(Judged::ChangesRequested),
        (Part::Review, 5) => judged(Judged::Rejected),
        (Part::Review, _) => judged(Judged::Approved),
        (_, 1) => {
            Ended::Unusable { reason: format!("reason {}", "x".repeat(usize::from(dice / 8))), model: "m".into() }
        }
        (_, 2) => answer(json!({"files": []})),
        (Part::Plan, _) => planned(),
        (Part::Tests, _) => file("test_main.py", &dice.to_string()),
        (_, _) => file("main.py", &dice.to_string()),
    }
}

proptest! {
    /// However badly it goes: a task ends, within its repairs and its jobs, and every job has a name of its own.
    #[test]
    fn every_task_ends_within_its_bounds(max_rounds in 0..=5u32, dice in prop::collection::vec(any::<u8>(), 200)) {
        let (task, mut course) = (task(max_rounds), Course::default());
        let mut next = course.begin(&task, python());
        let mut names = BTreeSet::new();
        let (mut runs_failed, mut reviews) = (0, 0);
        let mut dice = dice.into_iter();
        while next == Next::Await {
            let errands = course.errands(&task, python());
            prop_assert!(!errands.is_empty());
            let mut ended = Vec::new();
            for (part, _) in errands {
                prop_assert!(names.insert(course.name(part.as_str())), "a job is made twice");
                let came = whatever(part, dice.next().expect("it goes on for ever"));
                runs_failed += u32::from(matches!(&came, Ended::Ran(run) if !run.passed && run.cause == Cause::Exited));
                reviews += u32::from(part == Part::Review);
                ended.push((part, came));
            }
            let kept = serde_json::to_string(&course).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Course>(&kept).unwrap(), &course);
            next = course.advance(&task, python(), ended);
        }
        prop_assert!(names.len() <= CHILDREN as usize, "{} jobs", names.len());
        prop_assert!(runs_failed <= max_rounds + 1 && reviews <= 2);
        if let Next::Done(delivered) = next {
            prop_assert!(delivered.test_report.passed && delivered.repairs <= max_rounds);
            prop_assert!(delivered.artifact.files.contains_key("main.py"));
        } else {
            prop_assert!(course.is_to_begin());
        }
    }
}
