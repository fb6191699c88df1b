"""The health check of change data capture: facts → states → what to do, minute by minute.

`gather` asks every part for `facts`; `assess` tells what state each thing is in; `decide` says what follows, by
`policy` and `history`; `records` keeps it all in the warehouse; `check` is one run of it.
"""
