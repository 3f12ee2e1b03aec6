//! In which order the variants take turns. Pure.

use serde::{Deserialize, Serialize};

use super::blocks::Variant;

/// How the variants take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The samples of a block alternate between the variants; which is first changes from block to block.
    Interleaved,
    /// The samples of a variant come together, AB, then BA, then AB: for variants whose setting must be changed for
    /// them. Every turn is set up anew, also where the variant stays, so that no two blocks share a restart.
    Abba,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Make the variant's setting the active one.
    SetUp(Variant),
    /// Warm up, and prove that the setting is active.
    Prove {
        /// In which block, from 0.
        block: usize,
        /// Of which variant.
        variant: Variant,
    },
    /// Take a sample that counts.
    Sample {
        /// In which block, from 0.
        block: usize,
        /// Of which variant.
        variant: Variant,
    },
}

/// All that is to be done, in order, with `samples` of each variant in each block.
#[must_use]
pub fn schedule(order: Order, blocks: usize, samples: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    for block in 0..blocks {
        let first = if block % 2 == 0 {
            Variant::A
        } else {
            Variant::B
        };
        let turns = [first, first.other()];
        match order {
            Order::Interleaved => {
                actions.extend(turns.map(|variant| Action::Prove { block, variant }));
                for _ in 0..samples {
                    actions.extend(turns.map(|variant| Action::Sample { block, variant }));
                }
            }
            Order::Abba => {
                for variant in turns {
                    actions.push(Action::SetUp(variant));
                    actions.push(Action::Prove { block, variant });
                    actions.extend((0..samples).map(|_| Action::Sample { block, variant }));
                }
            }
        }
    }
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(order: Order, blocks: usize, samples: usize) -> String {
        schedule(order, blocks, samples)
            .into_iter()
            .map(|action| match action {
                Action::SetUp(variant) => format!("!{}", variant.key()),
                Action::Prove { variant, .. } => format!("?{}", variant.key()),
                Action::Sample { block, variant } => format!("{}{block}", variant.key()),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn variants_take_turns_and_no_one_is_always_first() {
        assert_eq!(
            shown(Order::Interleaved, 2, 2),
            "?a ?b a0 b0 a0 b0 ?b ?a b1 a1 b1 a1"
        );
        assert_eq!(
            shown(Order::Abba, 3, 1),
            "!a ?a a0 !b ?b b0 !b ?b b1 !a ?a a1 !a ?a a2 !b ?b b2"
        );
    }

    #[test]
    fn every_block_has_as_many_samples_of_each() {
        for order in [Order::Interleaved, Order::Abba] {
            let actions = schedule(order, 5, 7);
            for block in 0..5 {
                for variant in Variant::BOTH {
                    let sample = Action::Sample { block, variant };
                    assert_eq!(
                        actions.iter().filter(|action| **action == sample).count(),
                        7
                    );
                }
            }
        }
    }
}
