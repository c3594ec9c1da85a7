//! Every case on every instruction set this machine has, against the reference.

use kinora_kernels::{Isa, cases, compare, with_isa};

#[test]
fn every_fast_path_agrees_with_its_reference() {
    let cases = cases::all().expect("the cases are well-formed");
    let mut wrong = Vec::new();
    for case in &cases {
        let expected = (case.reference)().expect("the reference takes the case");
        for isa in Isa::ALL.into_iter().filter(|isa| *isa <= Isa::detect()) {
            let found = with_isa(isa, || (case.fast)()).expect("the fast path takes the case");
            let nmse = compare::nmse(&found, &expected).expect("shapes agree");
            let limit = compare::tolerance(case.dtype);
            if nmse.is_nan() || nmse > limit {
                wrong.push(format!("{case:?} on {}: {nmse:e}, allowed {limit:e}", isa.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
