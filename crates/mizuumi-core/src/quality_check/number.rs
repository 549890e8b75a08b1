//! What numbers of conditions come to, earlier measurements included.

use crate::dqdl::Number;
use crate::dqdl::condition::Arithmetic;

/// Functions of one list of numbers, or of one number.
const FUNCTIONS: &[&str] = &[
    "last",
    "avg",
    "average",
    "mean",
    "min",
    "max",
    "sum",
    "median",
    "std",
    "stddev",
    "abs",
    "index",
    "percentile",
];

/// A number, or several.
enum Value {
    One(f64),
    Several(Vec<f64>),
}

/// Why a number can never be reckoned, if it names a function that there is not.
pub(super) fn unknown_function(number: &Number) -> Option<String> {
    match number {
        Number::Literal(_) | Number::Null => None,
        Number::Binary(left, _, right) => unknown_function(left).or_else(|| unknown_function(right)),
        Number::Call(name, _) if !FUNCTIONS.contains(&name.as_str()) => {
            Some(format!("there is no function '{name}'; there are {}", FUNCTIONS.join(", ")))
        }
        Number::Call(_, of) => of.iter().find_map(unknown_function),
    }
}

/// Whether a number depends on earlier measurements.
pub(super) fn is_dynamic(number: &Number) -> bool {
    match number {
        Number::Literal(_) | Number::Null => false,
        Number::Binary(left, _, right) => is_dynamic(left) || is_dynamic(right),
        Number::Call(name, of) => name == "last" || of.iter().any(is_dynamic),
    }
}

/// What a number comes to. Earlier measurements have the latest first.
///
/// # Errors
/// In words, if it comes to nothing.
pub(super) fn reckoned(number: &Number, earlier: &[f64]) -> Result<f64, String> {
    match value(number, earlier)? {
        Value::One(one) if one.is_finite() => Ok(one),
        Value::One(_) => Err(format!("`{number}` is no finite number")),
        Value::Several(several) => match several.as_slice() {
            [one] => Ok(*one),
            _ => Err(format!(
                "`{number}` is several numbers; say what to make of them, such as `avg({number})`"
            )),
        },
    }
}

fn value(number: &Number, earlier: &[f64]) -> Result<Value, String> {
    match number {
        Number::Literal(digits) => {
            digits.parse().map(Value::One).map_err(|_| format!("'{digits}' is no number"))
        }
        Number::Null => Err("NULL is no number".to_owned()),
        Number::Binary(left, arithmetic, right) => {
            let (left, right) = (reckoned(left, earlier)?, reckoned(right, earlier)?);
            Ok(Value::One(match arithmetic {
                Arithmetic::Plus => left + right,
                Arithmetic::Minus => left - right,
                Arithmetic::Times => left * right,
                Arithmetic::Over if right == 0.0 => return Err(format!("`{number}` divides by zero")),
                Arithmetic::Over => left / right,
            }))
        }
        Number::Call(name, of) => call(number, name, of, earlier),
    }
}

fn call(number: &Number, name: &str, of: &[Number], earlier: &[f64]) -> Result<Value, String> {
    if name == "last" {
        let most = match of {
            [] => 1.0,
            [most] => reckoned(most, earlier)?,
            _ => return Err(format!("`{number}`: `last` takes one number")),
        };
        if earlier.is_empty() {
            return Err("it has not been measured before; the next evaluation has something to compare with"
                .to_owned());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to 1..=1000 first")]
        let most = most.clamp(1.0, 1000.0) as usize;
        return Ok(Value::Several(earlier.iter().copied().take(most).collect()));
    }
    let Some((first, rest)) = of.split_first() else {
        return Err(format!("`{number}`: `{name}` takes at least one number"));
    };
    let mut all = match value(first, earlier)? {
        Value::One(one) => vec![one],
        Value::Several(several) => several,
    };
    let rest: Vec<f64> = rest.iter().map(|of| reckoned(of, earlier)).collect::<Result<_, _>>()?;
    match (name, rest.as_slice()) {
        ("index", [at]) => {
            let found = (0_u32..).zip(&all).find(|(index, _)| (f64::from(*index) - *at).abs() < 0.5);
            return found
                .map(|(_, one)| Value::One(*one))
                .ok_or_else(|| format!("`{number}`: there is none of that number"));
        }
        ("percentile", [part]) => {
            return percentile(all, part / 100.0)
                .map(Value::One)
                .ok_or_else(|| format!("`{number}`: a percentile is from 0 to 100"));
        }
        _ => all.extend(rest),
    }
    let count = f64::from(u32::try_from(all.len()).unwrap_or(u32::MAX));
    let sum: f64 = all.iter().sum();
    Ok(Value::One(match name {
        "avg" | "average" | "mean" => sum / count,
        "sum" => sum,
        "min" => all.iter().copied().fold(f64::INFINITY, f64::min),
        "max" => all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "abs" => all.first().copied().unwrap_or_default().abs(),
        "median" => percentile(all, 0.5).unwrap_or_default(),
        "std" | "stddev" => {
            let mean = sum / count;
            (all.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / count).sqrt()
        }
        _ => return Err(format!("`{number}`: `{name}` does not take these")),
    }))
}

/// Between the two that are nearest, by how near they are.
fn percentile(mut all: Vec<f64>, part: f64) -> Option<f64> {
    if all.is_empty() || !(0.0..=1.0).contains(&part) {
        return None;
    }
    all.sort_by(f64::total_cmp);
    let last = u32::try_from(all.len() - 1).ok()?;
    let at = part * f64::from(last);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    let (low, high) = (at.floor() as usize, at.ceil() as usize);
    let (low, high) = (all.get(low)?, all.get(high)?);
    Some(low + (high - low) * at.fract())
}
