"""Flags as people type them."""

from rotary_mae.cli.flag_syntax import flag_value, nest_settings, normalize_flags

SWITCHES = {"resume", "early_stopping", "compile"}


def test_dashes_become_underscores_and_switches_get_values() -> None:
    typed = "a.csv --learning-rate 1e-3 --resume --out-x=b-c --no-early-stopping --compile false --model.norm-eps 1"
    normalized = "a.csv --learning_rate 1e-3 --resume=true --out_x=b-c --early_stopping=false --compile false"
    assert normalize_flags(typed.split(), SWITCHES) == [*normalized.split(), "--model.norm_eps", "1"]


def test_a_switch_does_not_take_the_next_argument() -> None:
    assert normalize_flags(["--resume", "data.csv"], SWITCHES) == ["--resume=true", "data.csv"]


def test_only_the_first_dot_stays() -> None:
    assert normalize_flags(["--model.decoder.width", "3", "--", "--resume"], SWITCHES)[0] == "--model.decoder/width"


def test_arguments_after_two_dashes_are_unchanged() -> None:
    assert normalize_flags(["--", "--a-b"], set()) == ["--", "--a-b"]


def test_settings_are_nested_and_the_last_counts() -> None:
    flat = {"width": 3, "decoder": {"width": 1, "depth": 2}, "decoder/width": 5, "a/b/c": 1}
    assert nest_settings(flat) == {"width": 3, "decoder": {"width": 5, "depth": 2}, "a": {"b": {"c": 1}}}


def test_the_last_value_of_a_flag_counts() -> None:
    assert flag_value(["--out", "a", "--out=b"], "out") == "b"
    assert flag_value(["--outer", "a"], "out") is None


def test_repeated_flags_of_names_are_joined() -> None:
    typed = ["t.csv", "--value", " a", "--id=x", "--value=b,c", "--static", "z", "--", "--value", "d"]
    normalized = ["t.csv", "--id=x", "--value= a\nb,c", "--static=z", "--", "--value", "d"]
    assert normalize_flags(typed, set(), {"value", "static"}) == normalized
    assert normalize_flags(["--label", "a", "--label", "b"], set()) == ["--label", "a", "--label", "b"]
