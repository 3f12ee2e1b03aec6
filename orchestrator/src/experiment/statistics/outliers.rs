//! Values that stand far off. They are shown, and never left out of anything: a stall is part of what was measured. Pure.

/// How many deviations off is far.
const FAR: f64 = 3.5;
/// What makes the median absolute deviation an estimate of the standard deviation of normal values.
const FROM_MEDIAN: f64 = 1.482_602_218_505_602;
/// The same for the mean absolute deviation.
const FROM_MEAN: f64 = 1.253_314_137_315_5;

/// The places of values more than 3.5 deviations from the median, the deviation being estimated from the median
/// absolute deviation, or, where more than half of the values are the same, from the mean one (Iglewicz and Hoaglin,
/// *How to Detect and Handle Outliers*, 1993).
#[must_use]
pub fn outliers(values: &[f64]) -> Vec<usize> {
    let Some(middle) = median(values) else {
        return Vec::new();
    };
    let distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let by_median = median(&distances).unwrap_or(0.0) * FROM_MEDIAN;
    let deviation = if by_median > 0.0 {
        by_median
    } else {
        distances.iter().sum::<f64>() / distances.len() as f64 * FROM_MEAN
    };
    distances
        .iter()
        .enumerate()
        .filter(|(_, distance)| deviation > 0.0 && **distance > FAR * deviation)
        .map(|(place, _)| place)
        .collect()
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let (lower, upper) = (sorted.get(n.checked_sub(1)? / 2)?, sorted.get(n / 2)?);
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_values_are_found_and_near_ones_are_not() {
        let values = [10.0, 11.0, 9.0, 10.5, 9.5, 10.2, 30.0, 9.8, 1.0];
        assert_eq!(outliers(&values), [6, 8]);
        assert_eq!(outliers(&[10.0, 11.0, 9.0, 10.5, 9.5]), Vec::<usize>::new());
    }

    #[test]
    fn one_value_among_equal_ones_stands_off() {
        let mut values = vec![7.0; 20];
        values.push(8.0);
        assert_eq!(outliers(&values), [20]);
        assert_eq!(outliers(&[7.0; 5]), Vec::<usize>::new());
        assert_eq!(outliers(&[]), Vec::<usize>::new());
    }
}
