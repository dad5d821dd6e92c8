//! Functions of one element.

/// A function of one real number.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// `1 / (1 + e^−x)`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Gauss's error function.
    Erf,
    /// `e^x`.
    Exponential,
    /// `√x`, of negative numbers 0.
    SquareRoot,
    /// Natural logarithm.
    Logarithm,
    /// `1 / x`.
    Reciprocal,
    /// The largest whole number that is not larger.
    Floor,
    /// The smallest whole number that is not smaller.
    Ceil,
    /// The nearest whole number, the even one of two.
    Round,
    /// `x^exponent`.
    Power {
        /// Exponent.
        exponent: f32,
    },
    /// `|x|`.
    Absolute,
    /// `ln(1 + e^x)`.
    Softplus,
    /// `min(max(alpha · x + beta, 0), 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at 0.
        beta: f32,
    },
    /// `x` where positive, else `slope · x`.
    LeakyRelu {
        /// Slope of negative numbers.
        slope: f32,
    },
    /// `x` where positive, else `alpha · (e^x − 1)`.
    Elu {
        /// Size of the limit towards −∞.
        alpha: f32,
    },
    /// `scale · x + offset`.
    Linear {
        /// Factor.
        scale: f32,
        /// Summand.
        offset: f32,
    },
    /// `min(max(x, min), max)`.
    Clamp {
        /// Lower bound, may be `-∞`.
        min: f32,
        /// Upper bound, may be `∞`.
        max: f32,
    },
    /// 1 where `x > threshold`, else 0.
    Step {
        /// Largest number that gives 0.
        threshold: f32,
    },
    /// `x · f(x)`: swish, hard-swish and GELU have this form.
    TimesInput(Box<Function>),
    /// Functions one after the other, the first one first.
    Chain(Vec<Function>),
}

impl Function {
    /// Whether it ends in `1 / √x`, as what a norm multiplies by does.
    pub fn is_reciprocal_root(&self) -> bool {
        match self {
            Self::Power { exponent } => *exponent == -0.5,
            Self::Chain(functions) => match &functions[..] {
                [.., Self::SquareRoot, Self::Reciprocal] => true,
                [.., last] => last.is_reciprocal_root(),
                [] => false,
            },
            _ => false,
        }
    }

    /// `x · sigmoid(x)` (Ramachandran et al., 2017).
    pub fn swish() -> Self {
        Self::TimesInput(Box::new(Self::Sigmoid))
    }

    /// `x²`.
    pub fn square() -> Self {
        Self::TimesInput(Box::new(Self::Linear { scale: 1.0, offset: 0.0 }))
    }

    /// `x · min(max(x / 6 + 1/2, 0), 1)` (Howard et al., 2019).
    pub fn hard_swish() -> Self {
        Self::TimesInput(Box::new(Self::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }))
    }

    /// `x · Φ(x)`, exact form (Hendrycks and Gimpel, 2016).
    pub fn gelu() -> Self {
        let half = std::f32::consts::FRAC_1_SQRT_2;
        let steps =
            vec![Self::Linear { scale: half, offset: 0.0 }, Self::Erf, Self::Linear { scale: 0.5, offset: 0.5 }];
        Self::TimesInput(Box::new(Self::Chain(steps)))
    }

    /// GELU by a hyperbolic tangent (Hendrycks and Gimpel, 2016).
    pub fn tanh_gelu() -> Self {
        let linear = |scale, offset| Self::Linear { scale, offset };
        let inner = Self::TimesInput(Box::new(Self::square().then(linear(0.044_715, 1.0))));
        let root = std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
        Self::TimesInput(Box::new(inner.then(linear(root, 0.0)).then(Self::Tanh).then(linear(0.5, 0.5))))
    }

    /// The function's value.
    pub fn apply(&self, x: f32) -> f32 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Erf => libm::erff(x),
            Self::Exponential => x.exp(),
            Self::SquareRoot => x.max(0.0).sqrt(),
            Self::Logarithm => x.ln(),
            Self::Reciprocal => x.recip(),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Power { exponent } => x.powf(*exponent),
            Self::Absolute => x.abs(),
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::LeakyRelu { slope } => x.max(0.0) + slope * x.min(0.0),
            Self::Elu { alpha } => x.max(0.0) + alpha * x.min(0.0).exp_m1(),
            Self::Linear { scale, offset } => scale * x + offset,
            Self::Clamp { min, max } => x.max(*min).min(*max),
            Self::Step { threshold } => f32::from(u8::from(x > *threshold)),
            Self::TimesInput(function) => x * function.apply(x),
            Self::Chain(functions) => functions.iter().fold(x, |x, f| f.apply(x)),
        }
    }

    /// This function, then another.
    pub fn then(self, next: Self) -> Self {
        let list = |function| match function {
            Self::Chain(functions) => functions,
            single => vec![single],
        };
        Self::Chain([list(self), list(next)].concat())
    }

    /// The function's name as users know it (ONNX's, where there is one).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::Erf => "Erf",
            Self::Exponential => "Exp",
            Self::SquareRoot => "Sqrt",
            Self::Logarithm => "Log",
            Self::Reciprocal => "Reciprocal",
            Self::Floor => "Floor",
            Self::Ceil => "Ceil",
            Self::Round => "Round",
            Self::Power { .. } => "Pow",
            Self::Absolute => "Abs",
            Self::Softplus => "Softplus",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Elu { .. } => "Elu",
            Self::Linear { .. } => "Linear",
            Self::Clamp { .. } => "Clip",
            Self::Step { .. } => "Greater",
            Self::TimesInput(function) if matches!(**function, Self::Sigmoid) => "Swish",
            Self::TimesInput(function) if matches!(**function, Self::HardSigmoid { .. }) => "HardSwish",
            Self::TimesInput(_) if *self == Self::gelu() => "Gelu",
            Self::TimesInput(_) | Self::Chain(_) => "Function",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let cases = [
            (Function::Sigmoid, 1.0, 0.731_058_6),
            (Function::Erf, 0.5, 0.520_499_9),
            (Function::Softplus, 1.0, 1.313_261_7),
            (Function::Softplus, -100.0, 0.0),
            (Function::LeakyRelu { slope: 0.25 }, -2.0, -0.5),
            (Function::Elu { alpha: 2.0 }, -1.0, -1.264_241_1),
            (Function::Logarithm, 2.0, std::f32::consts::LN_2),
            (Function::Reciprocal, -4.0, -0.25),
            (Function::Round, 2.5, 2.0),
            (Function::Power { exponent: 1.5 }, 4.0, 8.0),
            (Function::square(), -3.0, 9.0),
            (Function::Step { threshold: 0.5 }, 0.5, 0.0),
            (Function::Step { threshold: 0.5 }, 0.75, 1.0),
            (Function::swish(), 1.0, 0.731_058_6),
            (Function::hard_swish(), 1.0, 2.0 / 3.0),
            (Function::gelu(), 1.0, 0.841_344_7),
            (Function::gelu(), -1.0, -0.158_655_3),
            (Function::tanh_gelu(), 1.0, 0.841_192),
        ];
        for (function, x, y) in cases {
            assert!((function.apply(x) - y).abs() < 1e-6, "{}({x}) = {}", function.name(), function.apply(x));
        }
    }

    #[test]
    fn chains_join() {
        let double = Function::Linear { scale: 2.0, offset: 0.0 };
        let chain = double.clone().then(Function::Tanh.then(double));
        assert!(matches!(&chain, Function::Chain(steps) if steps.len() == 3));
        assert_eq!(chain.apply(0.25), 2.0 * 0.5f32.tanh());
    }
}
