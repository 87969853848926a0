# SPDX-License-Identifier: Apache-2.0
"""Makes the small Paraformer that ships with safeasr as its demo model."""
