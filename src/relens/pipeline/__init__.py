"""Project -> Bundle: import, candidates, measurements, verdict, package; and the same in single steps."""
