//! Doubles as Go prints and reads them.

/// Appends `value` as the Prometheus text formats print it: `NaN`, `+Inf`, `-Inf`, `0` (also for -0), else the
/// shortest decimal that reads back as the same double, in exponent form if the exponent is below -4 or at
/// least 6 (Go's `strconv.FormatFloat(value, 'g', -1, 64)`).
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    let _ = (out, value);
}
