# SPDX-License-Identifier: Apache-2.0
"""Small claims, the same bytes every time."""
import json


def line(resource):
    return json.dumps(resource, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def patient(n, updated="2026-05-01T10:00:00.000Z"):
    return line({"resourceType": "Patient", "id": f"p{n}", "meta": {"lastUpdated": updated},
                 "name": [{"family": "Nováková", "given": [f"Číslo {n}"]}], "birthDate": "1950-02-03"})


def coverage(n, updated="2026-05-01T10:00:00.000Z"):
    return line({"resourceType": "Coverage", "id": f"c{n}", "meta": {"lastUpdated": updated}, "status": "active",
                 "beneficiary": {"reference": f"Patient/p{n}"}, "payor": [{"display": "payer"}]})


def claim(n, k, updated="2026-05-01T10:00:00.000Z"):
    return line({"resourceType": "ExplanationOfBenefit", "id": f"p{n}-e{k}", "meta": {"lastUpdated": updated},
                 "status": "active", "use": "claim", "patient": {"reference": f"Patient/p{n}"},
                 "created": "2026-04-30", "outcome": "complete", "item": [{"sequence": 1, "note": "x" * 400}]})


def files(patients=4, claim_files=3, claims=5):
    """What a payer has: [(type, bytes)]."""
    people = range(patients)
    return [("Patient", b"".join(map(patient, people))), ("Coverage", b"".join(map(coverage, people)))] + [
        ("ExplanationOfBenefit", b"".join(claim(n, f * claims + k) for n in people for k in range(claims)))
        for f in range(claim_files)]


def write_folder(folder, what):
    """As files for `sandbox --data`."""
    folder.mkdir()
    counters = {}
    for resource_type, content in what:
        n = counters[resource_type] = counters.get(resource_type, -1) + 1
        (folder / f"{resource_type}.{n:03d}.ndjson").write_bytes(content)
    return folder
