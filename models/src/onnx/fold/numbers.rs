//! Functions of the elements of constants. Truth is 1, falsehood 0.

use super::{broadcast, broadcast_strides, pick};
use crate::onnx::constant::{Constant, Elements};

/// A function of each element; `None` where it is not defined for the type.
pub(super) fn unary(operator: &str, x: &Elements) -> Option<Elements> {
    Some(match x {
        Elements::Integer(v) => {
            let function: fn(i64) -> i64 = match operator {
                "Abs" => i64::wrapping_abs,
                "Neg" => i64::wrapping_neg,
                "Not" => |i| (i == 0).into(),
                _ => return None,
            };
            Elements::Integer(v.iter().map(|&i| function(i)).collect())
        }
        Elements::Float(v) => {
            let function: fn(f32) -> f32 = match operator {
                "Abs" => f32::abs,
                "Ceil" => f32::ceil,
                "Exp" => f32::exp,
                "Floor" => f32::floor,
                "Log" => f32::ln,
                "Neg" => |f| -f,
                "Reciprocal" => f32::recip,
                "Round" => f32::round_ties_even,
                "Sqrt" => f32::sqrt,
                _ => return None,
            };
            Elements::Float(v.iter().map(|&f| function(f)).collect())
        }
    })
}

/// A function of two elements, one shape broadcast to the other.
pub(super) fn binary(operator: &str, a: &Constant, b: &Constant) -> Result<Constant, String> {
    let shape = broadcast(&a.shape, &b.shape)?;
    let spread = |c: &Constant| pick(&c.elements, &shape, &broadcast_strides(&c.shape, shape.len()), 0);
    let elements = match (spread(a)?, spread(b)?) {
        (Elements::Integer(a), Elements::Integer(b)) => {
            if matches!(operator, "Div" | "Mod") && b.contains(&0) {
                return Err("division of constants by zero".into());
            }
            Elements::Integer(a.iter().zip(&b).map(|(&a, &b)| whole(operator, a, b)).collect())
        }
        (Elements::Float(a), Elements::Float(b)) => match compare(operator) {
            Some(holds) => Elements::Integer(a.iter().zip(&b).map(|(a, b)| holds(a, b).into()).collect()),
            None => Elements::Float(a.iter().zip(&b).map(|(&a, &b)| real(operator, a, b)).collect()),
        },
        (Elements::Float(a), Elements::Integer(b)) if operator == "Pow" => {
            Elements::Float(a.iter().zip(&b).map(|(&a, &b)| a.powf(b as f32)).collect())
        }
        _ => return Err("operands of different types".into()),
    };
    Ok(Constant::new(a.name.as_str(), shape, elements))
}

fn compare<T: PartialOrd>(operator: &str) -> Option<fn(&T, &T) -> bool> {
    Some(match operator {
        "Equal" => T::eq,
        "Greater" => T::gt,
        "GreaterOrEqual" => T::ge,
        "Less" => T::lt,
        "LessOrEqual" => T::le,
        _ => return None,
    })
}

fn whole(operator: &str, a: i64, b: i64) -> i64 {
    if let Some(holds) = compare(operator) {
        return holds(&a, &b).into();
    }
    match operator {
        "Add" | "Sum" => a.wrapping_add(b),
        "Sub" => a.wrapping_sub(b),
        "Mul" => a.wrapping_mul(b),
        "Div" => a.wrapping_div(b),
        // The sign is the divisor's.
        "Mod" => a.wrapping_rem(b).wrapping_add(b).wrapping_rem(b),
        "Pow" => u32::try_from(b).map_or(0, |b| a.wrapping_pow(b)),
        "And" => (a != 0 && b != 0).into(),
        "Or" => (a != 0 || b != 0).into(),
        "Max" => a.max(b),
        _ => a.min(b),
    }
}

fn real(operator: &str, a: f32, b: f32) -> f32 {
    match operator {
        "Add" | "Sum" => a + b,
        "Sub" => a - b,
        "Mul" => a * b,
        "Div" => a / b,
        "Mod" => a % b,
        "Pow" => a.powf(b),
        "Max" => a.max(b),
        _ => a.min(b),
    }
}

/// Elements of `yes` where the condition holds, else of `no`; `None` where their types differ.
pub(super) fn select(condition: &Elements, yes: &Elements, no: &Elements) -> Option<Elements> {
    fn choose<T: Copy>(condition: &[i64], yes: &[T], no: &[T]) -> Vec<T> {
        condition.iter().zip(yes.iter().zip(no)).map(|(&c, (&yes, &no))| if c != 0 { yes } else { no }).collect()
    }
    let Elements::Integer(condition) = condition else { return None };
    Some(match (yes, no) {
        (Elements::Float(yes), Elements::Float(no)) => Elements::Float(choose(condition, yes, no)),
        (Elements::Integer(yes), Elements::Integer(no)) => Elements::Integer(choose(condition, yes, no)),
        _ => return None,
    })
}

/// Numbers from `start` on in steps, up to `limit` excluded.
pub(super) fn range(start: &Elements, limit: &Elements, step: &Elements, most: usize) -> Result<Elements, String> {
    match (start, limit, step) {
        (Elements::Integer(s), Elements::Integer(l), Elements::Integer(d)) => {
            let (&[start], &[limit], &[step]) = (s.as_slice(), l.as_slice(), d.as_slice()) else {
                return Err("its ends are not single numbers".into());
            };
            let distance = if step > 0 { limit.saturating_sub(start) } else { start.saturating_sub(limit) };
            let count = (distance.max(0) as u64).div_ceil(step.unsigned_abs().max(1));
            if step == 0 || count > most as u64 {
                return Err(format!("{start}..{limit} in steps of {step}"));
            }
            Ok(Elements::Integer((0..count as i64).map(|i| start.wrapping_add(i.wrapping_mul(step))).collect()))
        }
        (Elements::Float(s), Elements::Float(l), Elements::Float(d)) => {
            let (&[start], &[limit], &[step]) = (s.as_slice(), l.as_slice(), d.as_slice()) else {
                return Err("its ends are not single numbers".into());
            };
            let count = ((limit - start) / step).ceil().max(0.0);
            if count.is_nan() || count > most as f32 {
                return Err(format!("{start}..{limit} in steps of {step}"));
            }
            Ok(Elements::Float((0..count as usize).map(|i| start + i as f32 * step).collect()))
        }
        _ => Err("ends of different types".into()),
    }
}

/// Joins every `count` elements that lie together.
pub(super) fn reduce(operator: &str, x: &Elements, count: usize) -> Option<Elements> {
    if count == 0 {
        return None;
    }
    Some(match x {
        Elements::Float(v) => {
            let join = |part: &[f32]| match operator {
                "ReduceMax" => part.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                "ReduceMin" => part.iter().copied().fold(f32::INFINITY, f32::min),
                "ReduceProd" => part.iter().product(),
                "ReduceMean" => part.iter().sum::<f32>() / count as f32,
                _ => part.iter().sum(),
            };
            Elements::Float(v.chunks(count).map(join).collect())
        }
        Elements::Integer(v) => {
            let join = |part: &[i64]| match operator {
                "ReduceMax" => part.iter().copied().max().unwrap_or(0),
                "ReduceMin" => part.iter().copied().min().unwrap_or(0),
                "ReduceProd" => part.iter().fold(1, |a: i64, &b| a.wrapping_mul(b)),
                "ReduceMean" => part.iter().fold(0, |a: i64, &b| a.wrapping_add(b)) / count as i64,
                _ => part.iter().fold(0, |a: i64, &b| a.wrapping_add(b)),
            };
            Elements::Integer(v.chunks(count).map(join).collect())
        }
    })
}
