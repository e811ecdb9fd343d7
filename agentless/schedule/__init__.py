"""The schedule file: read, checked, worked out for the evaluator, and edited with its comments kept. Pure.

Nothing is imported here: a verb that only reads what hosts say of schedules needs no YAML.

    schedule_file.load(path, *, now) -> Schedule           read and check; ScheduleError: the whole file is refused
    schedule_file.parse(text, file, *, now) -> Schedule    the same from text
    coming.coming(schedule, entry, count, *, now, host, history) -> tuple[Fire, ...]        the next fires
    coming.forecast(schedule, entry, *, now, host, history) -> Forecast    the next one that is not skipped
    coming.offset(schedule, entry) -> the zone of an entry as remote/clock.py knows zones
    editing.Editor(path, *, now): add modify delete enable disable copy move skip postpone
    editing.values(pairs) -> dict                                `KEY=VALUE` of a command line

`Entry.timing` is the entry as remote/evaluator.py takes it, plain JSON; what is pushed to a host is that, the zones'
tables (`Schedule.zones`), and the job of it: function, args, kwargs, timeout, metadata.
"""
