"""tests/inner_loops.py on assembly written by hand."""

import subprocess
import sys
from pathlib import Path

import pytest
from inner_loops import inner_loops

SCRIPT = Path(__file__).parents[1] / "inner_loops.py"
# Two loops in one, a jump forward, and a function with a loop that leaves in the middle.
ASSEMBLY = """\
	.globl	twice                           # -- Begin function twice
	.type	twice,@function
twice:                                  # @twice
# %bb.0:
	subq	$320, %rsp                      # imm = 0x140
	vmovups	%zmm9, 64(%rsp)                 # 64-byte Spill
	testl	%edx, %edx
	je	.LBB0_5
.LBB0_1:                                # =>This Loop Header: Depth=1
	movq	%rdx, 8(%rsp)                   # 8-byte Spill
	.p2align	4
.LBB0_2:                                #   Parent Loop BB0_1 Depth=1
                                        # =>  This Inner Loop Header: Depth=2
	vmovaps	256(%rsp,%r8), %zmm16
	vpdpbusd	(%rsi,%rax), %zmm1, %zmm2
	vaddps	64(%rsp), %zmm2, %zmm2          # 64-byte Folded Reload
	movq	8(%rsp), %rdx                   # 8-byte Reload
	kmovq	%k1, 16(%rsp)                   # 8-byte Spill
	vmovaps	%zmm2, (%rsp,%r8)
	jne	.LBB0_2
.LBB0_3:                                #   in Loop: Header=BB0_1 Depth=1
	vpermb	%zmm1, %zmm2, %zmm3             # zmm3 = zmm1[0,1]
	cmpq	$56, %rdi
	jb	.LBB0_3
# %bb.4:
	jne	.LBB0_1
.LBB0_5:
	retq
	.size	twice, .Lfunc_end0-twice
                                        # -- End function
	.globl	early                           # -- Begin function early
early:                                  # @early
.LBB1_1:                                # =>This Inner Loop Header: Depth=1
	incq	%rax
	je	.LBB1_1
# %bb.2:                                #   in Loop: Header=BB1_1 Depth=1
	vpdpbusd	(%rsi), %zmm1, %zmm2
	jmp	.LBB1_1
	retq
                                        # -- End function
"""


AARCH64 = """\
	.globl	twice                           // -- Begin function twice
twice:                                  // @twice
// %bb.0:
	cbz	x1, .LBB0_3
.LBB0_1:                                // =>This Loop Header: Depth=1
	mov	w8, #8                          // =0x8
.LBB0_2:                                //   Parent Loop BB0_1 Depth=1
	ldr	q1, [sp, #16]                   // 16-byte Reload
	sdot	v0.4s, v1.16b, v2.16b
	subs	x8, x8, #1
	b.ne	.LBB0_2
	tbnz	w9, #0, .LBB0_1
.LBB0_3:
	ret
                                        // -- End function
"""


def test_loops_of_aarch64():
    (loop,) = inner_loops(AARCH64, "sdot")
    assert (loop.function, loop.label) == ("twice", ".LBB0_2")
    assert loop.body == (
        "reload: ldr q1, [sp, #16]",
        "sdot v0.4s, v1.16b, v2.16b",
        "subs x8, x8, #1",
        "b.ne .LBB0_2",
    )


def test_loops():
    twice, permuted, early = inner_loops(ASSEMBLY)
    assert (twice.function, twice.label, len(twice.body)) == ("twice", ".LBB0_2", 7)
    assert permuted.body == ("vpermb %zmm1, %zmm2, %zmm3", "cmpq $56, %rdi", "jb .LBB0_3")
    assert (early.function, early.label, len(early.body)) == ("early", ".LBB1_1", 4)


def test_spills():
    """Not what lies on the stack: an array that is read and written with an index."""
    twice, permuted, early = inner_loops(ASSEMBLY)
    assert twice.spills == [
        "reload: vaddps 64(%rsp), %zmm2, %zmm2",
        "reload: movq 8(%rsp), %rdx",
        "spill: kmovq %k1, 16(%rsp)",
    ]
    assert not permuted.spills and not early.spills


def test_choice():
    assert [loop.label for loop in inner_loops(ASSEMBLY, "vpdpbusd")] == [".LBB0_2", ".LBB1_1"]
    assert not inner_loops(ASSEMBLY, "vfmadd")


def test_assembly_without_comments():
    """There no spill could be seen."""
    text = "\n".join(line.partition("#")[0] for line in ASSEMBLY.splitlines())
    with pytest.raises(ValueError, match="expected assembly with LLVM's comments"):
        inner_loops(text)


def test_command():
    def run(*arguments):
        return subprocess.run(
            [sys.executable, SCRIPT, "-", *arguments],
            input=ASSEMBLY,
            capture_output=True,
            text=True,
        )

    done = run("--with", "vpermb")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "function twice",
        "loop .LBB0_3: 3 instructions",
        "  vpermb %zmm1, %zmm2, %zmm3",
        "  cmpq $56, %rdi",
        "  jb .LBB0_3",
    ]
    assert run("--with", "vfmadd").returncode == 1
