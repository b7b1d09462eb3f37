"""What the builder of networks says of wrong values: one line that names operator, argument, value and what is accepted."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.errors import InputError
from cyclescape.traces.graph import Graph, Tensor
from cyclescape.traces.operators import Pool, Softmax

IMAGE, TOKENS, ROW = (1, 8, 8, 6), (1, 4, 6), (1, 6)
Call = Callable[[Graph, Tensor, Tensor], Any]

WRONG: dict[str, tuple[Call, str]] = {
    "batch of zero": (
        lambda g, x, t: g.input(0, 8, 8, 3),
        "shape=0: input should be greater than or equal to 1 (accepted: integer"),
    "batch as text": (
        lambda g, x, t: g.input("x", 8),
        "shape='x': input should be a valid integer (accepted: integer >= 1"),
    "sizes with a point": (lambda g, x, t: g.input(1, 1.5), "shape=1.5"),
    "no size": (lambda g, x, t: g.input(), "accepted: a size for each dimension"),
    "no tensor": (
        lambda g, x, t: g.conv("c", 3, 4, 3),
        "operator 'c': x=3: input should be an instance of Tensor (accepted: Tensor)"),
    "no image": (lambda g, x, t: g.conv("c", t, 4, 3), "is no image (accepted: batch, height, width, channels)"),
    "channels as text": (
        lambda g, x, t: g.conv("c", x, "4", 3),
        "operator 'c': channels='4': input should be a valid integer"),
    "no channels": (
        lambda g, x, t: g.conv("c", x, 0, 3),
        "channels=0: input should be greater than or equal to 1 (accepted: integer"),
    "kernel as text": (
        lambda g, x, t: g.conv("c", x, 4, "3"),
        "kernel='3' (accepted: integer >= 1, <= 1099511627776 or (integer"),
    "three kernels": (lambda g, x, t: g.conv("c", x, 4, (1, 2, 3)), "kernel=(1, 2, 3) (accepted"),
    "stride of zero": (lambda g, x, t: g.conv("c", x, 4, 3, stride=0), "stride=0 (accepted"),
    "negative padding": (lambda g, x, t: g.conv("c", x, 4, 3, padding=-1), "padding=-1 (accepted: integer >= 0"),
    "dilation of zero": (lambda g, x, t: g.conv("c", x, 4, 3, dilation=0), "dilation=0: input should be greater than"),
    "groups that do not divide": (
        lambda g, x, t: g.conv("c", x, 4, 3, groups=4),
        "operator 'c': groups=4 must divide in_channels=6 and out_channels=4"),
    "a bias that is no truth": (
        lambda g, x, t: g.conv("c", x, 4, 3, bias="no"),
        "bias='no': input should be a valid boolean"),
    "a window larger than the image": (
        lambda g, x, t: g.conv("c", x, 4, 9, padding=0),
        "operator 'c': the kernel (9x9, dilation 1) is larger than the input (8x8"),
    "a dilated window larger than the image": (
        lambda g, x, t: g.conv("c", x, 4, 3, padding=0, dilation=4),
        "the kernel (3x3, dilation 4) is larger than the input (8x8"),
    "an unknown argument": (
        lambda g, x, t: g.conv("c", x, 4, 3, strides=2),
        "operator 'c': conv: got an unexpected keyword"),
    "a missing argument": (
        lambda g, x, t: g.conv("c", x),
        "operator 'c': conv: missing a required argument: 'channels'"),
    "a name that is a number": (
        lambda g, x, t: g.conv(7, x, 4, 3),
        "name=7: input should be a valid string (accepted: text"),
    "no name": (
        lambda g, x, t: g.conv("", x, 4, 3),
        "name='': string should have at least 1 character (accepted: text of 1 letter"),
    "a pooling larger than the image": (
        lambda g, x, t: g.pool("p", x, "max", 9),
        "operator 'p': kernel=9 is larger than the image 8x8 with padding 0 (accepted"),
    "an unknown pooling": (
        lambda g, x, t: g.pool("p", x, "min", 2),
        "mode='min': input should be 'max' or 'average' (accepted: max"),
    "pooling by zero": (lambda g, x, t: g.pool("p", x, "max", 0), "kernel=0"),
    "pooling to nothing": (lambda g, x, t: g.adaptive_pool("p", x, 0), "size=0"),
    "all of it cut": (
        lambda g, x, t: g.conv_transpose("c", x, 4, 2, stride=1, padding=9),
        "padding=9 leaves nothing of"),
    "an operator of no kind": (
        lambda g, x, t: g.add_operator(3, "o", (x,), (1,)), "operator 'o': kind=3 (accepted: Attention, Conv,"),
    "an operator that reads a number": (
        lambda g, x, t: g.add_operator(Pool, "o", (3,), (1,)), "operator 'o': inputs=(3,) (accepted: a tuple of tensors)"),
    "an operator of a wrong shape": (
        lambda g, x, t: g.add_operator(Softmax, "o", (x,), (1.5,)),
        "operator 'o': shape=(1.5,) (accepted: a tuple of integers >= 1)"),
    "an operator whose field is wrong": (
        lambda g, x, t: g.add_operator(Softmax, "o", (x,), (1,), rows="a", cols=2),
        "operator 'o': rows='a': input should be a valid integer"),
    "an operator with another's field": (
        lambda g, x, t: g.add_operator(Softmax, "o", (x,), (1,), rows=1, cols=2, k=3), "operator 'o': k: unknown parameter"),
    "no features": (lambda g, x, t: g.linear("l", t, 0), "features=0"),
    "heads that do not divide": (
        lambda g, x, t: g.attention("a", t, t, t, heads=4), "operator 'a': heads=4, kv_heads=None with q=(1, 4, 6)"),
    "heads of other widths": (
        lambda g, x, t: g.attention("a", t, t, t, heads=6, kv_heads=3),
        "a query as wide as a key"),
    "attention of images": (lambda g, x, t: g.attention("a", x, x, x, heads=1), "accepted: batch, tokens, features"),
    "attention to fewer values": (
        lambda g, x, t: g.attention("a", t, t, t.rows(2), heads=1),
        "as many tokens of k as of v"),
    "a negative cache": (lambda g, x, t: g.attention("a", t, t, t, heads=1, cached=-1), "cached=-1"),
    "no operand": (lambda g, x, t: g.add("e"), "operator 'e': no operand (accepted: one or more)"),
    "an operand that does not fit": (
        lambda g, x, t: g.add("e", x, t.rows(3).part(5)),
        "shape (1, 3, 5) does not broadcast to (1, 8"),
    "an unknown normalisation": (lambda g, x, t: g.norm("n", t, "mean"), "mode='mean'"),
    "an empty table": (lambda g, x, t: g.embedding("e", t, 0, 4), "entries=0"),
    "more features than there are": (
        lambda g, x, t: t.part(7),
        "a tensor of shape (1, 4, 6): features=7 (accepted: 1 to 6)"),
    "more rows than there are": (lambda g, x, t: t.rows(5), "rows=5 (accepted: at most 4)"),
    "rows of nothing": (lambda g, x, t: t.rows("a"), "rows='a'"),
    "another number of elements": (lambda g, x, t: t.reshape(5), "cannot be seen as (5,)"),
    "tensors that differ": (lambda g, x, t: g.concat(x, t), "alike in all but their features"),
    "nothing side by side": (lambda g, x, t: g.concat(), "tensors of shapes [] side by side (accepted"),
    "a scope that is a number": (lambda g, x, t: g.scope(3).__enter__(), "name=3"),
    "a network of nothing": (
        lambda g, x, t: g.workload("net"),
        "network 'net': operators=(): tuple should have at least 1 item"),
    "a name used twice": (
        lambda g, x, t: (g.linear("l", t, 2), g.linear("l", t, 2), g.workload("net")),
        "operator 'l': the name is used twice"),
    "a tensor of another graph": (
        lambda g, x, t: (g.linear("l", Graph().linear("m", t, 2), 2), g.workload("net")),
        "input 'm' is made by no earlier operator"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_one_clear_line(case: str) -> None:
    call, words = WRONG[case]
    g = Graph()
    with pytest.raises(InputError) as caught:
        call(g, g.input(*IMAGE), g.input(*TOKENS))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_scope_is_part_of_what_is_said() -> None:
    g = Graph()
    with pytest.raises(InputError, match="operator 'block1.c': channels=0"), g.scope("block1"):
        g.conv("c", g.input(*IMAGE), 0, 3)


def test_numpy_integers_are_integers() -> None:
    g = Graph()
    y = g.conv("c", g.input(*np.array(IMAGE)), np.int64(4), (np.int32(3), 3), stride=np.int8(2))
    assert y.shape == (1, 4, 4, 4)
    assert g.workload("net").macs == 16 * 4 * 9 * 6


@given(st.integers(10, 20), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_a_dilated_window_has_holes(size: int, height: int, width: int, stride: int, dilation: int, depthwise: bool) -> None:
    """Against where a window can start, counted one by one; the default padding keeps the size at stride 1."""
    g = Graph()
    x = g.input(2, size, size, 6)
    options = {"stride": stride, "padding": 0, "dilation": dilation}
    y = g.depthwise("c", x, (height, width), **options) if depthwise else g.conv("c", x, 4, (height, width), **options)
    sides = []
    for kernel in (height, width):
        taps = [dilation * tap for tap in range(kernel)]
        sides.append(sum(start + taps[-1] < size for start in range(0, size, stride)))
    assert y.shape == (2, *sides, 6 if depthwise else 4)
    (op,) = g.workload("net").operators
    assert op.macs == 2 * sides[0] * sides[1] * height * width * (6 if depthwise else 4 * 6)
    if height % 2 and width % 2:
        assert Graph().conv("d", x, 4, (height, width), dilation=dilation).shape == (2, size, size, 4)


junk = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 12), st.floats(), st.text(max_size=3), st.tuples(st.integers(-1, 3)),
    st.just([1]), st.tuples(st.integers(-1, 3), st.integers(-1, 3)), st.sampled_from([IMAGE, TOKENS, ROW]).map(Tensor),
    st.just(2**70),
)
METHODS = sorted(
    name for name, method in inspect.getmembers(Graph, inspect.isfunction)
    if not name.startswith("_") and name not in ("add_operator", "scope", "workload", "full_name")
)


@given(st.data())
def test_anything_ends_in_a_tensor_or_one_line(data: st.DataObject) -> None:
    """Every method, with arguments of any type: it builds, or refuses with `InputError`."""
    method = data.draw(st.sampled_from(METHODS))
    parameters = list(inspect.signature(getattr(Graph, method)).parameters.values())[1:]
    given_, named = [], {}
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            given_ += data.draw(st.lists(junk, max_size=3))
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            likely = {"name": st.just("n"), "x": st.sampled_from([IMAGE, TOKENS, ROW]).map(Tensor)}.get(parameter.name, junk)
            given_.append(data.draw(st.one_of(likely, junk)))
        elif parameter.kind is parameter.KEYWORD_ONLY and data.draw(st.booleans()):
            named[parameter.name] = data.draw(junk)
    g = Graph()
    try:
        made = getattr(g, method)(*given_, **named)
    except InputError as error:
        assert len(str(error).splitlines()) <= 1
        return
    assert isinstance(made, Tensor)
    assert all(isinstance(size, int) and size >= 1 for size in made.shape)
