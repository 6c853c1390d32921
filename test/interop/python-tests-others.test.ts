/** The tests of the Python package `bridged_state` against real servers and Node programs: all but what is about the link, or the ways to a server. */
import { testPackage, WAYS } from './python-tools.js';

testPackage(`not link and not ${WAYS}`);
