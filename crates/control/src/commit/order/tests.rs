use super::*;

/// Of tables whose children can be without a parent: each pair is a parent and a child.
fn planner(links: &[(usize, usize)]) -> Planner {
    let link = |(parent, child): &(usize, usize)| Link {
        parent: *parent,
        child: *child,
        leaves: true,
    };
    Planner::over(links.iter().map(link).collect())
}

/// `+0 ~1 -0`: table 0 inserts, 1 updates, 0 deletes.
fn steps(text: &str) -> Vec<Step> {
    let step = |word: &str| {
        let (sign, table) = word.split_at(1);
        Step {
            kind: match sign {
                "+" => Kind::Insert,
                "~" => Kind::Update,
                _ => Kind::Delete,
            },
            table: table.parse().unwrap(),
        }
    };
    text.split_whitespace().map(step).collect()
}

fn words(steps: &[Step]) -> String {
    let word = |s: &Step| {
        let sign = match s.kind {
            Kind::Insert => '+',
            Kind::Update => '~',
            Kind::Delete => '-',
        };
        format!("{sign}{}", s.table)
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// The plans that are made while each of these steps fails for its reason.
fn plans(links: &[(usize, usize)], there: &str, failures: &[(&str, &str)]) -> Vec<String> {
    let there: BTreeSet<Step> = steps(there).into_iter().collect();
    let mut planner = planner(links);
    let mut plans = vec![words(&planner.plan(&there).steps)];
    for (failed, state) in failures {
        let (plan, at) = (planner.plan(&there), steps(failed).pop());
        assert!(planner.another(plan, at, Some(*state), &there));
        let plan = planner.plan(&there);
        let leave = if plan.leave { "leave " } else { "" };
        plans.push(format!("{leave}{}", words(&plan.steps)));
    }
    plans
}

#[test]
fn first_everything_comes_then_moves_then_goes() {
    let plan = plans(&[(0, 1)], "-0 -1 ~0 ~1 +0 +1", &[]);
    assert_eq!(plan, ["+0 +1 ~0 ~1 -1 -0"]);
}

#[test]
fn only_the_table_that_broke_a_key_goes_another_way() {
    let plan = plans(&[(0, 1)], "+0 ~1 -0 +2 -2", &[("+2", "23505")]);
    assert_eq!(plan, ["+0 +2 ~1 -2 -0", "+0 ~1 -2 +2 -0"]);
}

#[test]
fn a_child_may_free_values_while_its_parents_come_first() {
    let plan = plans(&[(0, 1)], "+0 -0 +1 ~1 -1", &[("+1", "23505")]);
    assert_eq!(plan, ["+0 +1 ~1 -1 -0", "+0 ~1 -1 +1 -0"]);
}

#[test]
fn a_parent_that_frees_its_own_values_is_left_first_at_last() {
    let plan = plans(
        &[(0, 1)],
        "+0 -0 ~1 +2 ~2",
        &[("+0", "23505"), ("~1", "23503"), ("~1", "09000")],
    );
    assert_eq!(
        plan,
        [
            "+0 +2 ~1 ~2 -0",
            "+2 ~2 ~1 -0 +0",
            "+2 ~2 -0 +0 ~1",
            "leave +2 ~2 -0 +0 ~1"
        ]
    );
}

#[test]
fn what_was_tried_is_not_tried_again_and_there_is_an_end() {
    let mut planner = planner(&[(0, 1)]);
    let there: BTreeSet<Step> = steps("+0 ~1 -0").into_iter().collect();
    let mut tried = Vec::new();
    loop {
        let plan = planner.plan(&there);
        assert!(!tried.contains(&plan));
        tried.push(plan.clone());
        let failed = plan.steps.last().copied();
        if !planner.another(plan, failed, Some("23514"), &there) {
            break;
        }
    }
    assert!(tried.len() <= WAYS.len());
}
