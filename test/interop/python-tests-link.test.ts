/** The tests of the Python package `bridged_state` against real servers and Node programs: of what is about the link, and of what runs over both carriers the half by the link. */
import { testPackage, WAYS } from './python-tools.js';

testPackage(`link and not ${WAYS}`);
