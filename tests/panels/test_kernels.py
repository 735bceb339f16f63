"""The limit to the number of kernels."""

import asyncio

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError

from ncv_lab.panels.kernels import FewKernels


@pytest.fixture
def asked(monkeypatch):
    "The environments that kernels were asked for with; none is started."
    asked = []

    async def start(self, **options):
        await asyncio.sleep(0)  # as a real one, which lets others come in between
        asked.append(options.get("env"))
        self._kernels[f"kernel {len(asked)}"] = None
        return f"kernel {len(asked)}"

    monkeypatch.setattr(AsyncMappingKernelManager, "start_kernel", start)
    return asked


def test_pages_that_come_at_the_same_moment_are_counted(asked):
    async def class_of_five():
        manager = FewKernels(max_kernels=3)
        pages = await asyncio.gather(*(manager.start_kernel() for _ in range(5)), return_exceptions=True)
        manager._kernels.pop("kernel 1")  # somebody closes a page
        return pages, await manager.start_kernel()

    pages, later = asyncio.run(class_of_five())
    refused = [page for page in pages if isinstance(page, HTTPError)]
    assert len(refused) == 2 and refused[0].status_code == 503 and refused[0].reason.startswith("all 3 pages of this")
    assert later == "kernel 4"


def test_a_kernel_does_not_get_the_token(asked):
    asyncio.run(FewKernels().start_kernel(env={"JUPYTER_TOKEN": "secret-secret", "HOME": "/"}))
    assert asked == [{"HOME": "/"}]
