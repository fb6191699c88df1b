"""A synthetic company: its customers, subscriptions, invoices, support tickets and sheets, as its vendors show them.

Everything is a pure function of (seed, scale, moment): the timeline of each customer is drawn from a generator of its
own, so the past never depends on how far ahead the timeline was built.
"""
