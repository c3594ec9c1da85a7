//! Every operation at the sizes models have, with what the register tile alone reaches beside it.

use candle_core::DType;
use kinora_kernels::{Error, Isa, cases};

use crate::clock::{Taken, best};

/// Prints a row for each case whose name contains `filter`.
pub(crate) fn run(filter: &str) -> Result<(), Error> {
    println!(
        "op,case,dtype,isa,threads,ms_wall,ms_cpu,gflops_per_cpu_second,gbytes_per_cpu_second"
    );
    let row = |op: &str, what: &str, dtype: DType, taken: Taken, flops: f64, bytes: f64| {
        let (wall, cpu) = (taken.wall.as_secs_f64(), taken.processor.as_secs_f64());
        println!(
            "{},{},{},{},{},{:.3},{:.3},{:.1},{:.1}",
            op.replace(',', ""),
            what.replace(',', ""),
            dtype.as_str(),
            Isa::detect().name(),
            rayon::current_num_threads(),
            wall * 1e3,
            cpu * 1e3,
            flops / cpu / 1e9,
            bytes / cpu / 1e9,
        );
    };
    for dtype in [DType::F32, DType::BF16] {
        let mut flops = 0.0;
        let taken = best(5, || -> Result<(), Error> {
            flops = cases::ceiling(dtype, 500_000)?;
            Ok(())
        })?;
        row("ceiling", "one tile in cache", dtype, taken, flops, 0.0);
    }
    for case in cases::timed()? {
        let name = format!("{},{},{}", case.op, case.what, case.dtype.as_str());
        if name.contains(filter) {
            let taken = best(7, || (case.fast)().map(drop))?;
            row(case.op, case.what, case.dtype, taken, case.flops, case.bytes);
        }
    }
    Ok(())
}
