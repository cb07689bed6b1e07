"""Pass pipelines as text."""

import pytest

from headrace.errors import UsageError
from headrace.pipeline_text import nest, pass_name, split, unwrap


@pytest.mark.parametrize(
    ("pipeline", "items"),
    [
        ("", []),
        ("cse", ["cse"]),
        ("a, b", ["a", "b"]),
        (
            "a{x=1,2 y=3},func.func(b,c{z=[1,2]}),d",
            ["a{x=1,2 y=3}", "func.func(b,c{z=[1,2]})", "d"],
        ),
        ("a{path='x,)y'},b", ["a{path='x,)y'}", "b"]),
    ],
)
def test_split(pipeline, items):
    assert split(pipeline) == items


@pytest.mark.parametrize("pipeline", ["a,,b", "a(", "a)", "a{b,c", "a{(})", "a,", "x='1"])
def test_split_refuses(pipeline):
    with pytest.raises(UsageError, match="pipeline"):
        split(pipeline)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("builtin.module(a,b)", "a,b"),
        (" builtin.module() ", ""),
        ("a,b", "a,b"),
        ("builtin.module(a),builtin.module(b)", "builtin.module(a),builtin.module(b)"),
    ],
)
def test_unwrap(text, inside):
    assert unwrap(text) == inside


def test_nest_gives_each_pass_its_anchors():
    assert nest("func.func(a{x=1},scf.for(b,c))") == [
        "func.func(a{x=1})",
        "func.func(scf.for(b))",
        "func.func(scf.for(c))",
    ]
    assert nest("plain{a=(1,2)}") == ["plain{a=(1,2)}"]


@pytest.mark.parametrize(
    ("item", "name"),
    [("cse", "cse"), ("a{x=1}", "a"), ("func.func(a{x=(1)})", "a"), ("f.f(g.g(b))", "b")],
)
def test_pass_name(item, name):
    assert pass_name(item) == name
