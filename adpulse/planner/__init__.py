"""Which calls a sync may make now: pure functions of time, account size, ledger and partition ages."""
