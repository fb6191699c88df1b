"""The health check of change data capture: facts → states → what to do, minute by minute.

`gather` collects `facts` from every part; `sources` and its like turn them into states; `decide` turns states into
actions, by `policy` and `history`; `records` stores everything in the warehouse; `check` is one run.
"""
