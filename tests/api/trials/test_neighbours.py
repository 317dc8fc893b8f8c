"""Twins, branches and the difference to the baseline."""

from __future__ import annotations

import html

import httpx2

from tests.api.trials.odd_trials import id_of


def test_kin_and_difference_to_the_baseline(odd: httpx2.Client) -> None:
    healthy, twin = id_of("healthy"), id_of("twin")
    page = html.unescape(odd.get(f"/view/trials/{healthy}").text)
    assert f"/view/compare?t={twin}&t={healthy}" in page
    assert "Compare with its SN twin" in page
    table = page.partition("What differs from the baseline")[2].partition("</table>")[0]
    assert [row.partition("<")[0] for row in table.split('<th scope="row">')[1:]] == [
        "method", "form", "i_ratio",
    ]  # fmt: skip
    failed, branch = id_of("failed"), id_of("branch")
    assert f"/view/trials/{branch}" in odd.get(f"/view/trials/{failed}").text
    assert f"/view/trials/{failed}" in odd.get(f"/view/trials/{branch}").text
    assert "This is the baseline" in odd.get(f"/view/trials/{twin}").text
