//! Where the steps of a graph stand: in columns, each right of all that it needs, and in each column near what it is
//! tied to. Pure arithmetic on indexes; knows nothing of steps or of drawing.

/// A graph laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Column and row of each node.
    pub(super) places: Vec<(usize, usize)>,
    /// The edges that no longer path implies, as (from, to).
    pub(super) edges: Vec<(usize, usize)>,
    /// How many columns there are.
    pub(super) columns: usize,
    /// How many rows the longest column has.
    pub(super) rows: usize,
}

/// How often the rows are put in order again; it changes little after that.
const SWEEPS: usize = 6;

/// Lays out nodes by what each needs. A need has a smaller index than the node, as in a plan; others are left out.
pub(super) fn layout(needs: &[Vec<usize>]) -> Layout {
    let edges = essential(needs);
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    let mut after = before.clone();
    for &(from, to) in &edges {
        before[to].push(from);
        after[from].push(to);
    }
    let mut column: Vec<usize> = vec![0; needs.len()];
    for node in 0..needs.len() {
        column[node] = before[node]
            .iter()
            .map(|need| column[*need] + 1)
            .max()
            .unwrap_or(0);
    }
    // A node that nothing holds at the left stands just before what needs it.
    for node in (0..needs.len()).rev() {
        if let Some(nearest) = after[node].iter().map(|next| column[*next]).min()
            && before[node].is_empty()
        {
            column[node] = nearest.saturating_sub(1);
        }
    }
    let columns = column.iter().max().map_or(0, |last| last + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); columns];
    for (node, column) in column.iter().enumerate() {
        rows[*column].push(node);
    }
    let mut row = vec![0; needs.len()];
    number(&rows, &mut row);
    for sweep in 0..SWEEPS {
        let neighbours = if sweep % 2 == 0 { &before } else { &after };
        for nodes in &mut rows {
            nodes.sort_by_key(|node| (mean(&neighbours[*node], &row, row[*node]), row[*node]));
        }
        number(&rows, &mut row);
    }
    Layout {
        places: column.into_iter().zip(row).collect(),
        edges,
        columns,
        rows: rows.iter().map(Vec::len).max().unwrap_or(0),
    }
}

fn number(rows: &[Vec<usize>], row: &mut [usize]) {
    for nodes in rows {
        for (place, node) in nodes.iter().enumerate() {
            row[*node] = place;
        }
    }
}

/// The mean row of neighbours, in hundredths; a node without any stays where it is.
fn mean(neighbours: &[usize], row: &[usize], own: usize) -> usize {
    if neighbours.is_empty() {
        return own * 100;
    }
    let sum: usize = neighbours.iter().map(|node| row[*node]).sum();
    sum * 100 / neighbours.len()
}

/// The edges without those that a longer path implies: the eye follows the path.
fn essential(needs: &[Vec<usize>]) -> Vec<(usize, usize)> {
    // Which nodes lead to each node; a bit for each.
    let words = needs.len().div_ceil(64);
    let mut reached = vec![vec![0_u64; words]; needs.len()];
    let mut edges = Vec::new();
    for (node, direct) in needs.iter().enumerate() {
        let mut direct: Vec<usize> = direct.iter().copied().filter(|need| *need < node).collect();
        direct.sort_unstable();
        direct.dedup();
        let mut through = vec![0_u64; words];
        for need in &direct {
            for (all, of_need) in through.iter_mut().zip(&reached[*need]) {
                *all |= of_need;
            }
        }
        let has = |bits: &[u64], at: usize| bits[at / 64] & (1 << (at % 64)) != 0;
        edges.extend(
            direct
                .iter()
                .filter(|need| !has(&through, **need))
                .map(|need| (*need, node)),
        );
        for need in direct {
            through[need / 64] |= 1 << (need % 64);
        }
        reached[node] = through;
    }
    edges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_diamond_has_three_columns_and_no_shortcut() {
        let diamond = layout(&[vec![], vec![0], vec![0], vec![1, 2, 0]]);
        assert_eq!(diamond.columns, 3);
        assert_eq!(diamond.rows, 2);
        assert_eq!(diamond.edges, [(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!(diamond.places[3].0, 2);
    }

    #[test]
    fn two_chains_do_not_cross() {
        // 0 → 3 and 1 → 2: in the order of their indexes the second column would cross.
        let chains = layout(&[vec![], vec![], vec![1], vec![0]]);
        assert_eq!(chains.places[0].1, chains.places[3].1);
        assert_eq!(chains.places[1].1, chains.places[2].1);
    }

    #[test]
    fn a_late_root_stands_before_what_needs_it() {
        let graph = layout(&[vec![], vec![0], vec![1], vec![], vec![2, 3]]);
        assert_eq!(graph.places[3].0, 2);
        assert_eq!(layout(&[]).columns, 0);
    }

    proptest! {
        #[test]
        fn every_node_has_a_place_of_its_own_right_of_its_needs(
            seeds in proptest::collection::vec(proptest::collection::vec(any::<prop::sample::Index>(), 0..4), 1..60)
        ) {
            let needs: Vec<Vec<usize>> = seeds
                .iter()
                .enumerate()
                .map(|(node, needs)| if node == 0 { vec![] } else { needs.iter().map(|need| need.index(node)).collect() })
                .collect();
            let graph = layout(&needs);
            let places: std::collections::BTreeSet<_> = graph.places.iter().collect();
            prop_assert_eq!(places.len(), needs.len());
            for (node, needs) in needs.iter().enumerate() {
                for need in needs {
                    prop_assert!(graph.places[*need].0 < graph.places[node].0);
                }
                prop_assert!(graph.places[node].0 < graph.columns && graph.places[node].1 < graph.rows);
            }
            // What is left still leads from each need to its node.
            for (node, needs) in needs.iter().enumerate() {
                for need in needs {
                    let mut reached = std::collections::BTreeSet::from([*need]);
                    for (from, to) in &graph.edges {
                        if reached.contains(from) {
                            reached.insert(*to);
                        }
                    }
                    prop_assert!(reached.contains(&node));
                }
            }
        }
    }
}
