"""Each evaluation is one row, in the columns of the others."""

from mindone_tae.zoo.run.log import evaluation_row


def result(psnr, ssim, seconds, baseline=None):
    simple = {"name": "average_pooling", "mean": {"psnr": baseline, "ssim": 0.5}} if baseline else None
    return {"mean": {"psnr": psnr, "ssim": ssim}, "baseline": simple, "seconds": seconds}


def test_rows_stand_in_columns_with_the_baseline_beside():
    rows = [
        evaluation_row(20, result(9.5, 0.123456, 3.21, 18.2), pictures="run/pictures/step_00000020"),
        evaluation_row(123456, result(31.25, 0.9, 1234.5, 18.2), best=True, pictures="run/pictures/step_00123456"),
    ]
    assert (
        rows[0].split() == "step 20 psnr 9.500 ( 18.200) ssim 0.123 ( 0.500) 3.2 s run/pictures/step_00000020".split()
    )
    for word in ("psnr", "ssim", " s ", "run/pictures"):
        assert rows[0].index(word) == rows[1].index(word)
    assert "best" in rows[1] and "best" not in rows[0]


def test_without_a_baseline_there_are_no_brackets():
    assert evaluation_row(1, result(20.0, 0.5, 1.0)) == "step       1  psnr  20.000  ssim   0.500     1.0 s"
